"""Tensors put aside that are the live parameter: `w.detach()`, `w.data`, without a copy."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import lru_cache

from gradbench.diagnosis.timeline import Event, Kind, Timeline


@dataclass(frozen=True)
class Snapshot:
    """A tensor that shares the memory of a leaf, kept while the leaf was written.

    Args:
        leaf: Number of the leaf.
        made: The event that made it.
        write: The first write of the leaf since then.
        use: The event that took it afterwards.
        equal: Whether it was compared there with the leaf itself: always the same.
    """

    leaf: int
    made: Event
    write: Event
    use: Event
    equal: bool


VIEWS = frozenset(
    {"detach", "data", "view",    "view_as", "unsqueeze", "squeeze",
     "t", "T", "mT", "transpose", "permute", "alias"}
)  # fmt: skip
COMPARES = frozenset(
    {"sub", "subtract", "__sub__", "__rsub__", "rsub", "mse_loss", "l1_loss", "smooth_l1_loss",
     "huber_loss", "dist", "allclose", "equal", "isclose", "eq", "ne", "__eq__", "__ne__",
     "cosine_similarity", "pairwise_distance", "kl_div", "cdist", "_foreach_sub"}
)  # fmt: skip
AVERAGES = frozenset({"add_", "__iadd__", "sub_", "lerp_", "copy_"})


@lru_cache(maxsize=4)
def snapshots(timeline: Timeline) -> tuple[Snapshot, ...]:
    """Find the uses of kept aliases of a leaf that was written since they were made.

    Args:
        timeline: What was seen.

    Returns:
        One for each alias and line of use.
    """
    return tuple(_Pass(timeline).run())


class _Pass:
    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._leaves = {
            each.number for each in timeline.tensors.values() if each.role in ("parameter", "leaf")
        }
        self._made: dict[int, tuple[int, Event]] = {}
        self._values: dict[int, tuple[frozenset[int], int]] = {}
        self._recent: deque[Event] = deque(maxlen=8)
        self._writes: dict[int, list[Event]] = {}
        self._found: list[Snapshot] = []

    def run(self) -> list[Snapshot]:
        for event in self._timeline.events:
            if event.kind is Kind.op:
                self._use(event)
                self._make(event)
                self._recent.append(event)
            elif event.kind is Kind.export:
                self._use(event)
            elif event.kind is Kind.write:
                self._use(event)
                self._average(event)
                for leaf in event.detail.get("leaves", ()):
                    self._writes.setdefault(leaf, []).append(event)
            elif event.kind is Kind.step:
                for leaf in event.detail["moved"]:
                    self._writes.setdefault(leaf, []).append(event)
            elif event.kind is Kind.data_write:
                self._assign(event)
        return self._found

    def _assign(self, event: Event) -> None:
        """An assignment to `.data` parts old aliases from a leaf, and makes its value one."""
        for leaf in event.outputs:
            for number in [n for n, (of, _) in self._made.items() if of == leaf]:
                del self._made[number]
            self._writes.pop(leaf, None)
            if event.api.endswith("vector_to_parameters"):
                vector = self._vector(event)
                if vector is not None:
                    self._made[vector] = (leaf, event)

    def _vector(self, event: Event) -> int | None:
        """Return the vector whose slice became a parameter's memory."""
        number = event.inputs[0]
        for earlier in reversed(self._recent):
            made = number in earlier.outputs and bool(earlier.inputs)
            if made and earlier.api == event.api and earlier.name in (*VIEWS, "__getitem__"):
                number = earlier.inputs[0]
        return number if number != event.inputs[0] else None

    def _make(self, event: Event) -> None:
        if len(event.outputs) != 1 or not event.inputs:
            return
        source, made = event.inputs[0], event.outputs[0]
        if made == source:
            return
        if event.name in VIEWS and len(event.inputs) == 1:
            if source in self._leaves and event.name in ("detach", "data"):
                self._made[made] = (source, event)
            elif source in self._made and made not in self._made:
                self._made[made] = (self._made[source][0], self._made[source][1])
        if event.name in ("cat", "clone", "view", "detach", "data"):
            of = frozenset(leaf for number in event.inputs for leaf in self._leaves_of(number))
            if of:
                self._values[made] = (of, event.index)

    def _leaves_of(self, number: int) -> frozenset[int]:
        if number in self._leaves:
            return frozenset({number})
        if number in self._made:
            return frozenset({self._made[number][0]})
        return self._values[number][0] if number in self._values else frozenset()

    def _use(self, event: Event) -> None:
        if event.name in VIEWS or "state_dict" in event.api:
            return
        for number in event.inputs:
            known = self._made.get(number)
            if known is None or known[1].place is None or "state_dict" in known[1].api:
                continue
            leaf, made = known
            write = next((e for e in self._writes.get(leaf, ()) if e.index > made.index), None)
            if write is not None:
                equal = event.name in COMPARES and self._live_beside(number, leaf, write, event)
                self._found.append(Snapshot(leaf, made, write, event, equal))

    def _average(self, event: Event) -> None:
        """A kept alias that is averaged with the leaf: both are one memory."""
        for number in event.outputs if event.name in AVERAGES else ():
            leaf, made = self._made.get(number, (-1, event))
            write = next((e for e in self._writes.get(leaf, ()) if e.index > made.index), None)
            if write is not None and made.place is not None and leaf in event.inputs:
                self._found.append(Snapshot(leaf, made, write, event, True))

    def _live_beside(self, number: int, leaf: int, write: Event, event: Event) -> bool:
        """Say whether another input has the leaf's values of now: they are the same memory."""
        last = self._writes[leaf][-1].index
        for other in event.inputs:
            if other == number:
                continue
            if other == leaf:
                return True
            if self._made.get(other, (None,))[0] == leaf:
                return True
            of, since = self._values.get(other, (frozenset(), -1))
            if leaf in of and since > last:
                return True
        return False
