"""Where tensors come from: the event that made each, and what it was made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

from gradbench.diagnosis.timeline import Event, Kind, Timeline

_MAKING = frozenset(
    {Kind.op, Kind.function, Kind.compiled, Kind.checkpoint, Kind.parameter, Kind.scale,
     Kind.functional, Kind.copy, Kind.gradient, Kind.write}
)  # fmt: skip

LONGEST = 20_000
"""Events that are gone back through from one tensor."""


@lru_cache(maxsize=4)
def makers(timeline: Timeline) -> Mapping[int, tuple[Event, ...]]:
    """Return the events that made or wrote each tensor, in order, by the tensor's number."""
    found: dict[int, list[Event]] = {}
    for event in timeline.events:
        if event.kind in _MAKING:
            for number in event.outputs:
                found.setdefault(number, []).append(event)
    return {number: tuple(events) for number, events in found.items()}


def maker(timeline: Timeline, number: int, before: int | None = None) -> Event | None:
    """Return the last event that made or wrote a tensor.

    Args:
        timeline: What was seen.
        number: The tensor's number.
        before: Index of an event that comes after; None asks for the last of all.
    """
    events = makers(timeline).get(number, ())
    for event in reversed(events):
        if before is None or event.index < before:
            return event
    return None


def ancestors(timeline: Timeline, root: Event, only_live: bool = False) -> Iterator[Event]:
    """Yield the events that the roots of a backward pass were made by, latest first.

    Args:
        timeline: What was seen.
        root: The backward pass.
        only_live: Follow only what required a gradient.
    """
    waiting = [(number, root.index) for number in root.detail["roots"]]
    seen: set[int] = set()
    while waiting and len(seen) < LONGEST:
        number, before = waiting.pop()
        event = maker(timeline, number, before)
        if event is None or event.index in seen:
            continue
        seen.add(event.index)
        yield event
        inputs = event.live if only_live else event.inputs
        waiting.extend((each, event.index) for each in inputs)
        if event.kind is Kind.write:
            waiting.extend((each, event.index) for each in event.outputs)
