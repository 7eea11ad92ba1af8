"""Leaves that should have had a gradient and got none, with the cut that took it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from gradbench.diagnosis.causes import Cause, cause_of, line_of
from gradbench.diagnosis.finding import Also, Place
from gradbench.diagnosis.flow import Cut, Root, flow_of
from gradbench.diagnosis.timeline import Event, Kind, Timeline


@dataclass(frozen=True)
class Lost:
    """Leaves that reach the loss only through one cut.

    Args:
        cause: What the cut is.
        place: The line to point at.
        cut: The cut; where several are at one line, the first.
        leaves: Their numbers, in order.
        root: The backward pass that did not reach them.
        missed: What shows that a gradient was wanted: the step that found None, or the read.
        evidence: What was measured.
    """

    cause: Cause
    place: Place
    cut: Cut
    leaves: tuple[int, ...]
    root: Root
    missed: Event
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def also(self) -> tuple[Also, ...]:
        """The lines of the operator, of backward, and where the gradient was missed."""
        lines = [
            (self.cut.event.place, f"{self.cut.event.name} cuts the graph"),
            (self.root.event.place, "backward"),
            (self.missed.place, role_of_miss(self.missed)),
        ]
        return tuple(
            Also(place, role) for place, role in lines if place is not None and place != self.place
        )

    @property
    def times(self) -> str:
        """How often the graph was cut there: ``once``, ``8 times``."""
        times = self.evidence["cut_times"]
        return "once" if times == 1 else f"{times} times"

    def said(self, timeline: Timeline) -> str:
        """Say who lost what: ``encoder.weight and 3 more got no gradient in 8 backward passes``."""
        return said_of(timeline, self.leaves, self.evidence["backward_passes"])


def role_of_miss(event: Event) -> str:
    """Say how a gradient was missed."""
    return "step that found no gradient" if event.kind is Kind.step else "read as None"


def said_of(timeline: Timeline, leaves: tuple[int, ...], passes: int) -> str:
    """Say that leaves got no gradient.

    Args:
        timeline: What was seen.
        leaves: Their numbers.
        passes: Backward passes that there were.
    """
    names = timeline.names(leaves) or (timeline.name(leaves[0]),)
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    times = "the backward pass" if passes == 1 else f"any of {passes} backward passes"
    return f"{', '.join(names[:2])}{more} got no gradient in {times}"


def passes_of(timeline: Timeline) -> int:
    """Count the backward passes that did not fail."""
    return sum(not event.detail["failed"] for event in timeline.of(Kind.backward))


@lru_cache(maxsize=4)
def lost_leaves(timeline: Timeline) -> tuple[Lost, ...]:
    """Find leaves that never received a gradient although their values went into a loss.

    A leaf counts only where a gradient of it was wanted: an optimizer that holds it took a step
    without, or the program read its ``.grad`` and used the None. The cut is the first one that the
    value of a loss came through, in a backward pass that led to this step or read.

    Args:
        timeline: What was seen.

    Returns:
        One for each line.
    """
    found: dict[tuple[Cause, Place], list[tuple[int, Cut, Root, Event]]] = {}
    for leaf in missed_leaves(timeline):
        if not _trained(timeline, leaf):
            continue
        for root, missed in windows(timeline, leaf):
            cuts = root.cut_off(leaf) if leaf not in root.live else ()
            cut = next((each for each in cuts if each.event.place is not None), None)
            if cut is not None:
                cause = cause_of(timeline, cut)
                place = line_of(timeline, cut, cause)
                found.setdefault((cause, place), []).append((leaf, cut, root, missed))
                break
    return tuple(
        Lost(
            cause=cause,
            place=place,
            cut=group[0][1],
            leaves=tuple(leaf for leaf, *_ in group),
            root=group[0][2],
            missed=group[0][3],
            evidence={
                "parameters": len(group),
                "backward_passes": passes_of(timeline),
                "gradients_received": 0,
                "cut_times": max(cut.times for _, cut, *_ in group),
            },
        )
        for (cause, place), group in found.items()
    )


def _trained(timeline: Timeline, leaf: int) -> bool:
    """Say whether a leaf was to be trained: where optimizers are, one of them holds it.

    A None that is printed beside them is no fault, unless the program failed on it.
    """
    return not timeline.owners or leaf in timeline.owners or bool(timeline.of(Kind.error))


def unexplained(timeline: Timeline) -> Mapping[int, tuple[Event, ...]]:
    """Return the missed leaves whose values no loss came from through a cut.

    Args:
        timeline: What was seen.

    Returns:
        What missed them, by the leaf's number.
    """
    explained = {leaf for lost in lost_leaves(timeline) for leaf in lost.leaves}
    return {
        leaf: missed for leaf, missed in missed_leaves(timeline).items() if leaf not in explained
    }


def windows(timeline: Timeline, leaf: int) -> Iterator[tuple[Root, Event]]:
    """Yield the backward passes from which a leaf's gradient should have come, with the miss.

    Those are the passes before a step, back to the step before them.
    """
    for missed in missed_leaves(timeline)[leaf]:
        for root in _leading(timeline, missed):
            yield root, missed


@lru_cache(maxsize=512)
def _leading(timeline: Timeline, missed: Event) -> tuple[Root, ...]:
    begun = False
    indices: set[int] = set()
    ends = missed.detail["first"] if missed.kind is Kind.step else missed.index
    if missed.kind is Kind.step and missed.detail["closure"]:
        ends = missed.index
    for event in reversed(timeline.of(Kind.backward, Kind.step)):
        if event.index >= ends:
            continue
        if event.kind is Kind.backward:
            if not event.detail["failed"]:
                begun = True
                indices.add(event.index)
        elif begun:
            break
    roots = flow_of(timeline).roots
    return tuple(root for root in reversed(roots) if root.event.index in indices)


def _moved_whole(event: Event) -> bool:
    """Say whether a module was moved to another device or dtype: its values stay."""
    return event.kind is Kind.data_write and event.api.startswith("torch.nn.modules.module.")


def _took_none(event: Event) -> bool:
    """Say whether a leaf's `.grad` was None and the program used it."""
    detail = event.detail
    return bool(detail["none"] and detail["use"] == "used" and detail["leaf"])


MOST_MISSES = 4
"""Steps that missed a leaf which are looked at."""


@lru_cache(maxsize=4)
def missed_leaves(timeline: Timeline) -> Mapping[int, tuple[Event, ...]]:
    """Return the leaves that never received a gradient and were wanted to, with the events.

    Args:
        timeline: What was seen.

    Returns:
        By the leaf's number, the steps that skipped it or the reads that found None.
    """
    passed = False
    missed: dict[int, list[Event]] = {}
    given: set[int] = set()
    for event in timeline.events:
        if event.kind in (Kind.backward, Kind.gradient):
            passed = True
        elif event.kind is Kind.step:
            frozen = event.detail.get("frozen", ())
            for number in event.detail["none"]:
                if number not in frozen:
                    missed.setdefault(number, []).append(event)
        elif event.kind is Kind.grad_write:
            if not event.detail["none"]:
                given.update(event.inputs)
        elif passed and event.kind is Kind.write and event.inputs:
            # An average that follows other weights is moved by hand, and needs no gradient.
            given.update(event.detail.get("leaves", ()))
        elif passed and event.kind in (Kind.data_write, Kind.load):
            if not _moved_whole(event):
                given.update(event.outputs)
        elif event.kind is Kind.grad_read and passed and _took_none(event):
            missed.setdefault(event.inputs[0], []).append(event)
    return {
        number: tuple(events[:MOST_MISSES])
        for number, events in missed.items()
        if number not in timeline.arrivals and number not in given and number in timeline.tensors
    }
