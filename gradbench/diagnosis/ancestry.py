"""Where a value comes from: the events that made it, and those that made what went into them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from gradbench.diagnosis.timeline import Event, Kind, Timeline

_MAKES = frozenset(
    {Kind.op, Kind.write, Kind.function, Kind.compiled, Kind.checkpoint, Kind.parameter, Kind.scale,
     Kind.functional, Kind.copy, Kind.gradient, Kind.data_write}
)  # fmt: skip

MOST = 20_000
"""Events that are gone back through at most."""


@lru_cache(maxsize=4)
def makers(timeline: Timeline) -> Mapping[int, tuple[Event, ...]]:
    """Return the events that made or wrote each tensor, in order, by its number.

    Args:
        timeline: What was seen.

    Returns:
        Operators, writes and the like.
    """
    found: dict[int, list[Event]] = {}
    for event in timeline.events:
        if event.kind in _MAKES:
            for number in event.outputs:
                found.setdefault(number, []).append(event)
    return {number: tuple(events) for number, events in found.items()}


def maker(timeline: Timeline, number: int, before: int) -> Event | None:
    """Return the last event before an index that made or wrote a tensor.

    Args:
        timeline: What was seen.
        number: The tensor's.
        before: Index of the first event that does not count.

    Returns:
        The event; None where none was seen.
    """
    found = [event for event in makers(timeline).get(number, ()) if event.index < before]
    return found[-1] if found else None


def ancestors(
    timeline: Timeline, numbers: Iterable[int], before: int, *, live: bool = False
) -> Iterator[Event]:
    """Yield the events that some tensors come from, the latest first.

    Args:
        timeline: What was seen.
        numbers: The tensors.
        before: Index of the first event that does not count.
        live: Go back only through inputs that required a gradient: the graph of a backward pass.

    Yields:
        Each event once.
    """
    waiting = {
        event.index: event
        for number in numbers
        if (event := maker(timeline, number, before)) is not None
    }
    seen: set[int] = set()
    while waiting and len(seen) < MOST:
        index = max(waiting)
        event = waiting.pop(index)
        seen.add(index)
        yield event
        for number in (*came_from(event, live), *_written(event, live)):
            earlier = maker(timeline, number, index)
            if earlier is not None and earlier.index not in seen:
                waiting[earlier.index] = earlier


def came_from(event: Event, live: bool = False) -> tuple[int, ...]:
    """Return the tensors that the result of an event was computed from.

    Args:
        event: An operator or the like.
        live: Only those that required a gradient.

    Returns:
        Their numbers.
    """
    if event.kind is Kind.gradient:
        return tuple(event.detail["roots"])
    return event.live if live else event.inputs


def _written(event: Event, live: bool) -> tuple[int, ...]:
    """A write keeps something of what was there before."""
    if event.kind is not Kind.write or (live and not event.out_live):
        return ()
    return event.outputs
