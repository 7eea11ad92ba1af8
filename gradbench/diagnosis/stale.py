"""Gradients that are still there when the next ones are added to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from gradbench.diagnosis.history import Moment, Touch, histories
from gradbench.diagnosis.timeline import Event, Timeline


@dataclass(frozen=True)
class Stale:
    """A leaf whose gradient was used, not cleared, added to, and used again.

    Args:
        leaf: Its number.
        used: The step that used the gradient.
        added: The backward pass that added to what was left.
        again: The step that used both.
        times: How often that happened.
        steps: Steps that used a gradient of the leaf.
        norms: Norm of the gradient after the first arrival and after the last one.
    """

    leaf: int
    used: Event
    added: Event
    again: Event
    times: int
    steps: int
    norms: tuple[float, float]


@lru_cache(maxsize=4)
def stale_gradients(timeline: Timeline) -> Mapping[int, Stale]:
    """Find the leaves whose gradients were added up over steps.

    Args:
        timeline: What was seen.

    Returns:
        By the leaf's number; only where it happened each time, or twice at least.
    """
    found = {}
    for leaf, moments in histories(timeline).items():
        stale = _stale(leaf, moments)
        if stale is not None and (stale.times > 1 or stale.steps == 2):
            found[leaf] = stale
    return found


def is_use(moment: Moment) -> bool:
    """Say whether a gradient was used up: by a step, or by an update by hand along it."""
    if moment.touch is Touch.moved:
        return any(each < -0.3 for each in moment.event.detail.get("along", ()))
    return moment.touch is Touch.stepped


def _stale(leaf: int, moments: tuple[Moment, ...]) -> Stale | None:
    used: Event | None = None
    added: Event | None = None
    first: tuple[Event, Event, Event] | None = None
    times = steps = 0
    for moment in moments:
        if moment.touch in _NEW:
            used = added = None
        elif moment.touch is Touch.arrived:
            if leaf in moment.event.detail["fresh"]:
                used = added = None
            elif moment.closure and added is not None and added is not moment.event:
                # A closure runs backward many times for one step: clearing is its own business.
                used = used or added
                first = first or (added, moment.event, moment.event)
                times, steps = times + 1, steps + 1
            elif used is not None:
                added = moment.event
            if moment.closure:
                added = moment.event
        elif is_use(moment) and not moment.closure:
            if moment.event is not used:
                steps += 1
            if used is not None and added is not None:
                times += 1
                first = first or (used, added, moment.event)
            used, added = moment.event, None
    if first is None:
        return None
    return Stale(leaf, *first, times, steps, _norms(leaf, moments))


def _norms(leaf: int, moments: tuple[Moment, ...]) -> tuple[float, float]:
    norms = [
        length
        for moment in moments
        if moment.touch is Touch.arrived
        for number, length in zip(
            moment.event.detail["arrived"], moment.event.detail["norms"], strict=False
        )
        if number == leaf
    ]
    return (norms[0], norms[-1]) if norms else (0.0, 0.0)


_NEW = (Touch.cleared, Touch.assigned, Touch.written)
