"""Which graph was gone through a second time, and how it came into the new loss."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from gradbench.diagnosis.ancestry import ancestors, maker
from gradbench.diagnosis.finding import Place
from gradbench.diagnosis.raised import Raised, raised
from gradbench.diagnosis.timeline import Event, Kind, Timeline


class Way(str, Enum):
    """How a freed graph came into a backward pass."""

    twice = "twice"  # backward was called again on what had been gone through
    shared = "shared"  # another loss shares a part of the graph
    carried = "carried"  # a result of the step before went into this one
    kept = "kept"  # a result computed once is used in each step


@dataclass(frozen=True)
class Reused:
    """A graph that was freed and needed again.

    Args:
        raised: The error.
        way: How it came into the new loss.
        freed: The backward pass or gradient that freed it.
        use: The operator by which the old part came in; None where there is none.
        number: Number of the tensor that brought it.
        made: The event that made that tensor.
    """

    raised: Raised
    way: Way
    freed: Event | None
    use: Event | None
    number: int | None
    made: Event | None

    @property
    def place(self) -> Place:
        """The line of the cause."""
        if self.way is Way.kept and self.made is not None and self.made.place is not None:
            return self.made.place
        if self.way is not Way.twice and self.use is not None and self.use.place is not None:
            return self.use.place
        if self.raised.failed is not None and self.raised.failed.place is not None:
            return self.raised.failed.place
        return self.raised.place


@lru_cache(maxsize=4)
def reused(timeline: Timeline) -> Reused | None:
    """Explain the error ``Trying to backward through the graph a second time``.

    Args:
        timeline: What was seen.

    Returns:
        How it came to it; None where the program did not raise it.
    """
    error = raised(timeline, "backward through the graph a second time")
    if error is None:
        return None
    before = error.failed.index if error.failed is not None else error.event.index
    passes = [
        event
        for event in timeline.of(Kind.backward, Kind.gradient)
        if event.index < before
        and not event.detail.get("failed")
        and not event.detail["retain_graph"]
    ]
    for freed in reversed(passes):
        if set(freed.detail["roots"]) & set(error.roots):
            return Reused(error, Way.twice, freed, None, None, None)
    graph = [event for event in ancestors(timeline, error.roots, before, live=True)]
    for freed in reversed(passes):
        old = {
            number: event
            for event in ancestors(timeline, freed.detail["roots"], freed.index, live=True)
            if event.out_live
            for number in event.outputs
        }
        uses = [
            (event, number)
            for event in graph
            if event.index > freed.index
            for number in event.live
            if number in old and _has_saved(timeline, old[number])
        ]
        if uses:
            use, number = uses[-1]
            return Reused(error, _way(timeline, error, freed, use, number), freed, use, number,
                          old[number])  # fmt: skip
        shared = [event for event in graph if event.index < freed.index and event.out_live]
        common = [event for event in shared if set(event.outputs) & old.keys()]
        if common:
            brought = next((e for e in graph if set(e.live) & set(common[0].outputs)), None)
            return Reused(error, Way.shared, freed, brought, common[0].outputs[0], common[0])
    return Reused(error, Way.twice, passes[-1] if passes else None, None, None, None)


def _has_saved(timeline: Timeline, event: Event) -> bool:
    """Say whether what made a tensor has a history behind it that may have been freed."""
    return bool(event.live)


def _way(timeline: Timeline, error: Raised, freed: Event, use: Event, number: int) -> Way:
    place = error.failed.place if error.failed is not None else error.place
    if place != freed.place:
        return Way.shared
    earlier = [
        event
        for event in timeline.events
        if event.index < freed.index
        and event.kind is use.kind
        and (event.place, event.name) == (use.place, use.name)
    ]
    again = any(number in event.inputs for event in earlier)
    made = maker(timeline, number, use.index)
    return Way.kept if again and made is not None else Way.carried
