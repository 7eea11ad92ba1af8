"""Operators that make zeros of every gradient that comes to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from gradbench.diagnosis.finding import Also, Place
from gradbench.diagnosis.timeline import Event, Kind, Timeline


@dataclass(frozen=True)
class Vanished:
    """An operator that made zeros of every gradient, in each backward pass that went through it.

    Args:
        first: The first of its events of kind ``vanished``.
        place: Its line.
        backward: The first backward pass.
        passes: Backward passes through it, in all of which it made zeros.
        leaves: Numbers of the leaves whose gradients were zero in all of them.
    """

    first: Event
    place: Place
    backward: Event
    passes: int
    leaves: tuple[int, ...]

    @property
    def name(self) -> str:
        """Name of the operator, such as ``relu``."""
        return str(self.first.detail["operator_name"])

    @property
    def sure(self) -> bool:
        """Whether it was so in three backward passes, or in all that there were."""
        return self.passes >= 3

    @property
    def also(self) -> tuple[Also, ...]:
        """The line of backward."""
        place = self.backward.place
        return (Also(place, "backward"),) if place is not None and place != self.place else ()

    @property
    def evidence(self) -> dict[str, int]:
        """What was measured."""
        return {"backward_passes": self.passes, "zero_in": self.passes, "leaves": len(self.leaves)}


@lru_cache(maxsize=4)
def vanished(timeline: Timeline) -> tuple[Vanished, ...]:
    """Find operators that made zeros in each backward pass that was watched.

    Args:
        timeline: What was seen.

    Returns:
        One for each line, operator and node, with the leaves that got zeros only.
    """
    passes = {event.index: event for event in timeline.of(Kind.backward)}
    groups: dict[tuple[Place, str, str, tuple[int, ...]], list[Event]] = {}
    for event in timeline.of(Kind.vanished):
        if event.place is not None and event.detail["backward"] in passes:
            leaves = tuple(n for n in event.inputs if timeline.tensors[n].role in _LEAVES)
            key = (event.place, event.detail["operator_name"], event.name, leaves)
            groups.setdefault(key, []).append(event)
    found = []
    for (place, name, _, leaves), events in groups.items():
        through = [
            backward
            for backward in _watched(timeline, passes, {e.detail["backward"] for e in events})
            if _runs(timeline, place, name, leaves, backward)
        ]
        zeroed = {event.detail["backward"] for event in events}
        if not zeroed or any(backward.index not in zeroed for backward in through):
            continue
        first = passes[min(zeroed)]
        zero = set(first.detail.get("zero", ()))
        for index in zeroed:
            zero &= set(passes[index].detail.get("zero", ()))
        if zero:
            found.append(Vanished(events[0], place, first, len(zeroed), tuple(sorted(zero))))
    return tuple(found)


_LEAVES = ("parameter", "leaf")
_WATCHED = 3


def _watched(timeline: Timeline, passes: dict[int, Event], zeroed: set[int]) -> Iterator[Event]:
    """Yield the backward passes whose nodes were watched: the first three from each line."""
    lines: dict[Place | None, int] = {}
    for backward in passes.values():
        lines[backward.place] = lines.get(backward.place, 0) + 1
        if lines[backward.place] <= _WATCHED and not backward.detail["failed"]:
            yield backward


def _runs(
    timeline: Timeline, place: Place, name: str, leaves: tuple[int, ...], backward: Event
) -> bool:
    """Say whether an operator of this line ran in the forward pass of a backward pass."""
    earlier = [e.index for e in timeline.of(Kind.backward) if e.index < backward.index]
    since = max(earlier, default=-1)
    return any(
        event.name == name
        and event.place == place
        and event.live
        and set(leaves) <= set(event.inputs)
        for event in timeline.events
        if since < event.index < backward.index
    )
