"""How values flow through a program: which leaves a tensor depends on, and what cut them off.

For each tensor two sets: the leaves that a gradient of it would reach, and the cuts that its value
came through. A cut is an operator with an input that required a gradient and no result that does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from gradbench.diagnosis.timeline import Event, Kind, Timeline


@dataclass(frozen=True)
class Cut:
    """A line at which gradients end.

    Args:
        event: The first event that cut there.
        leaves: Numbers of the leaves that are cut off there, in all of its events.
        times: How often it happened.
    """

    event: Event
    leaves: frozenset[int]
    times: int


@dataclass(frozen=True)
class Root:
    """What a backward pass started from.

    Args:
        event: The backward pass.
        live: Leaves that the gradient reaches, as far as operators were seen.
        cuts: Cuts that the value of the root came through.
    """

    event: Event
    live: frozenset[int]
    cuts: tuple[Cut, ...]

    def cut_off(self, leaf: int) -> tuple[Cut, ...]:
        """Return the cuts that a leaf's contribution to the root was lost at."""
        return tuple(cut for cut in self.cuts if leaf in cut.leaves)


@dataclass(frozen=True)
class Exported:
    """A tensor that became a number or an array, with the leaves it depended on."""

    event: Event
    leaves: frozenset[int]


@dataclass(frozen=True)
class Flow:
    """The flow of a timeline.

    Args:
        cuts: All cuts, in the order of their first events.
        roots: One for each backward pass and each root.
        exported: Values that left PyTorch and depended on a leaf.
        uses: Events that each leaf was an input of, by its number.
        behind: Leaves and cuts behind a tensor, by its number, as they are at the end.
    """

    cuts: tuple[Cut, ...]
    roots: tuple[Root, ...]
    exported: tuple[Exported, ...]
    uses: dict[int, tuple[Event, ...]]
    behind: Callable[[int], tuple[frozenset[int], tuple[Cut, ...]]]

    def leaves_of(self, number: int) -> frozenset[int]:
        """Return the leaves that a gradient of a tensor reaches."""
        return self.behind(number)[0]

    def cuts_of(self, number: int) -> tuple[Cut, ...]:
        """Return the cuts that a tensor's value came through."""
        return self.behind(number)[1]


@lru_cache(maxsize=4)
def flow_of(timeline: Timeline) -> Flow:
    """Compute the flow of a timeline, once.

    Args:
        timeline: What was seen.

    Returns:
        Its flow.
    """
    return _Pass(timeline).run()


class _Pass:
    """One pass over the events; sets are the bits of whole numbers."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._bit = {
            number: 1 << position
            for position, number in enumerate(
                each.number for each in timeline.tensors.values() if each.role in _LEAVES
            )
        }
        self._live: dict[int, int] = {}
        self._cuts: dict[int, int] = {}
        self._base: dict[int, int] = {}
        self._cut_bits: dict[tuple[object, ...], int] = {}
        self._cut_events: list[Event] = []
        self._cut_leaves: list[int] = []
        self._cut_times: list[int] = []

    def run(self) -> Flow:
        roots: list[tuple[Event, int, int]] = []
        exported: list[tuple[Event, int]] = []
        uses: dict[int, list[Event]] = {}
        for event in self._timeline.events:
            for number in event.inputs:
                if number in self._bit:
                    uses.setdefault(number, []).append(event)
            if event.kind in _FLOWS:
                self._operator(event)
            elif event.kind is Kind.write:
                self._write(event)
            elif event.kind is Kind.gradient:
                self._gradient(event)
            elif event.kind is Kind.export:
                exported.append((event, self._all_leaves(event.inputs)))
            elif event.kind is Kind.backward:
                # What a transform or compiled code hides from us, the graph itself tells.
                reachable = event.detail["reachable"] or ()
                live, cuts = self._sets((*event.detail["roots"], *reachable))
                roots.append((event, live, cuts))
        made = [
            Cut(event, self._numbers(leaves), times)
            for event, leaves, times in zip(
                self._cut_events, self._cut_leaves, self._cut_times, strict=True
            )
        ]
        return Flow(
            cuts=tuple(made),
            roots=tuple(
                Root(event, self._numbers(live), tuple(_chosen(made, cuts)))
                for event, live, cuts in roots
            ),
            exported=tuple(Exported(e, self._numbers(leaves)) for e, leaves in exported if leaves),
            uses={number: tuple(events) for number, events in uses.items()},
            behind=lambda number: self._behind_tensor(number, made),
        )

    def _behind_tensor(
        self, number: int, made: list[Cut]
    ) -> tuple[frozenset[int], tuple[Cut, ...]]:
        live, cuts = self._sets((number,))
        return self._numbers(live), tuple(_chosen(made, cuts))

    def _sets(self, numbers: tuple[int, ...]) -> tuple[int, int]:
        """Join the leaves and the cuts of some tensors."""
        live = cuts = 0
        for number in numbers:
            live |= self._live.get(number, 0) | self._bit.get(number, 0)
            cuts |= self._cuts.get(number, 0)
        return live, cuts

    def _all_leaves(self, numbers: tuple[int, ...]) -> int:
        live, cuts = self._sets(numbers)
        for position in _positions(cuts):
            live |= self._cut_leaves[position]
        return live

    def _operator(self, event: Event) -> None:
        if not event.outputs:
            return
        if event.name in ("data", "detach") and len(event.inputs) == 1:
            self._base[event.outputs[0]] = event.inputs[0]
        live, _ = self._sets(event.live)
        _, cuts = self._sets(event.inputs)
        new = {each for each in event.outputs if each in self._bit and each not in event.inputs}
        # A leaf made of a tensor is new, and indices beside values are numbers: both are cut off.
        constant = new.union(event.detail.get("constant", ()))
        cut = 0
        if event.live and (not event.out_live or constant):
            cut = self._cut(event, live)
        for number in event.outputs:
            off = number in constant or not event.out_live
            inner_live = inner_cuts = 0
            if event.kind in _OUTER:
                inner_live, inner_cuts = self._live.get(number, 0), self._cuts.get(number, 0)
            if number not in new:
                self._live[number] = 0 if off else live | inner_live
            self._cuts[number] = (cuts | cut if off else cuts) | inner_cuts

    def _write(self, event: Event) -> None:
        live, cuts = self._sets((*event.inputs, *event.outputs))
        if not event.out_live:
            lost, _ = self._sets(event.live)
            if event.live and not event.detail.get("leaves"):
                cuts |= self._cut(event, lost)
            live = 0
        for number in event.outputs:
            if number not in self._bit:
                self._live[number] = live
                self._cuts[number] = cuts
            # Written through `.data`, the tensor itself has the values, and no history of them.
            base = self._base.get(number)
            if base is not None and base not in self._bit and event.live:
                cut = self._cut(event, self._sets(event.live)[0])
                self._cuts[base] = self._cuts.get(base, 0) | cuts | cut

    def _gradient(self, event: Event) -> None:
        """A gradient depends on all that its root depends on; unrecorded, it is a cut."""
        live, cuts = self._sets(event.detail["roots"])
        if not event.out_live:
            cuts |= self._cut(event, live)
            live = 0
        for number in event.outputs:
            self._live[number] = live
            self._cuts[number] = cuts

    def _cut(self, event: Event, leaves: int) -> int:
        """Return the bit of the cut at an event's line."""
        key = (event.place, event.kind, event.name, event.api)
        position = self._cut_bits.get(key)
        if position is None:
            position = self._cut_bits[key] = len(self._cut_events)
            self._cut_events.append(event)
            self._cut_leaves.append(0)
            self._cut_times.append(0)
        self._cut_leaves[position] |= leaves
        self._cut_times[position] += 1
        return 1 << position

    def _numbers(self, bits: int) -> frozenset[int]:
        if not hasattr(self, "_by_position"):
            self._by_position = list(self._bit)
        return frozenset(self._by_position[position] for position in _positions(bits))


_LEAVES = ("parameter", "leaf")
_OUTER = (Kind.function, Kind.checkpoint)
"""Events that come after those of the operators within, and have the same results."""

_FLOWS = frozenset(
    {Kind.op, Kind.function, Kind.compiled, Kind.checkpoint, Kind.parameter, Kind.scale,
     Kind.functional, Kind.copy}
)  # fmt: skip


def _positions(bits: int) -> Iterator[int]:
    position = 0
    while bits:
        trailing = (bits & -bits).bit_length() - 1
        position += trailing
        yield position
        bits >>= trailing + 1
        position += 1


def _chosen(cuts: list[Cut], bits: int) -> Iterator[Cut]:
    for position in _positions(bits):
        yield cuts[position]
