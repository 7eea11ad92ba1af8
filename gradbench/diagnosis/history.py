"""The history of each leaf's gradient: what arrived, who used it, who cleared it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from gradbench.diagnosis.finding import Also, Place
from gradbench.diagnosis.timeline import Event, Kind, Timeline


class Touch(str, Enum):
    """What happened to a gradient."""

    arrived = "arrived"  # backward added to it, or made it
    cleared = "cleared"  # it was removed, or filled with zeros
    assigned = "assigned"  # `.grad` was set to a tensor
    written = "written"  # it was written in place, by hand
    read = "read"  # `.grad` was read, for more than a look whether it is None
    used = "used"  # an operator or an export took it
    stepped = "stepped"  # an optimizer stepped with it
    missed = "missed"  # an optimizer that holds the leaf stepped, and there was none
    skipped = "skipped"  # a GradScaler was asked to step, and did not
    unscaled = "unscaled"  # a GradScaler unscaled it
    clipped = "clipped"  # it was clipped
    moved = "moved"  # the leaf itself was written by hand


@dataclass(frozen=True)
class Moment:
    """One touch of one gradient.

    Args:
        touch: What happened.
        event: The event.
        closure: Whether it happened within the closure of an optimizer's step.
    """

    touch: Touch
    event: Event
    closure: bool = False


@lru_cache(maxsize=4)
def histories(timeline: Timeline) -> Mapping[int, tuple[Moment, ...]]:
    """Tell the history of each leaf's gradient, in the order in which things happened.

    What a hook does within backward comes after the arrival, and what a step of one's own does
    to gradients after the step's begin, although these events end later.

    Args:
        timeline: What was seen.

    Returns:
        By the leaf's number.
    """
    found: dict[int, list[Moment]] = {}
    closures = _closures(timeline)
    for event in timeline.events:
        closure = any(first <= event.index < last for first, last in closures)
        for leaf, touch in _touches(timeline, event):
            moments = found.setdefault(leaf, [])
            moment = Moment(touch, event, closure)
            if touch is Touch.arrived or (
                touch in (Touch.stepped, Touch.missed) and not event.detail["closure"]
            ):
                _insert(moments, moment)
            else:
                moments.append(moment)
    return {leaf: tuple(moments) for leaf, moments in found.items()}


def named(timeline: Timeline, numbers: Iterable[int]) -> str:
    """Name leaves in a sentence: ``encoder.weight, encoder.bias and 3 more``."""
    numbers = list(numbers)
    names = timeline.names(numbers) or tuple(
        dict.fromkeys(timeline.name(number) for number in numbers)
    )
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return f"{', '.join(names[:2])}{more}"


def often(times: int) -> str:
    """Say how often: ``once``, ``3 times``."""
    return "once" if times == 1 else f"{times} times"


def lines(*pairs: tuple[Event | None, str]) -> tuple[Also, ...]:
    """Return the other lines of a finding, for the events that have one."""
    return tuple(
        Also(event.place, role)
        for event, role in pairs
        if event is not None and event.place is not None
    )


def call_line(event: Event, other: Event) -> Place | None:
    """Return the line at which a function was called at the wrong time.

    Args:
        event: What happened too early or too late, maybe in a function that is right in itself.
        other: What it should have been before or after.

    Returns:
        The line of the event's stack that is in a function of the other's stack.
    """
    functions = [
        (each.file, each.function) for each in (other.place, *other.callers) if each is not None
    ]
    for each in (event.place, *event.callers):
        if each is not None and (each.file, each.function) in functions:
            return each
    return event.place


def _closures(timeline: Timeline) -> list[tuple[int, int]]:
    return [
        (event.detail["first"], event.index)
        for event in timeline.of(Kind.step)
        if event.detail["closure"]
    ]


def _insert(moments: list[Moment], moment: Moment) -> None:
    """Put a moment before those that happened while its event was under way."""
    first = moment.event.detail["first"]
    place = len(moments)
    while place and moments[place - 1].event.index >= first:
        place -= 1
    moments.insert(place, moment)


def _touches(timeline: Timeline, event: Event) -> Iterator[tuple[int, Touch]]:
    kind, detail = event.kind, event.detail
    if event.api.startswith(SCALER) and kind is not Kind.scale and kind is not Kind.step:
        return
    if kind is Kind.backward:
        if not detail["failed"]:
            for leaf in detail["arrived"]:
                yield leaf, Touch.arrived
    elif kind is Kind.clear:
        for leaf in detail["cleared"]:
            yield leaf, Touch.cleared
    elif kind is Kind.step:
        none = set(detail["none"])
        for leaf in detail["held"]:
            yield leaf, Touch.missed if leaf in none else Touch.stepped
    elif kind is Kind.clip:
        for leaf in event.outputs:
            yield leaf, Touch.clipped
    elif kind is Kind.grad_read:
        if not detail["none"] and detail["use"] in ("used", "stored"):
            yield event.inputs[0], Touch.read
    elif kind is Kind.grad_write:
        if not detail["none"]:
            yield event.inputs[0], Touch.assigned
    elif kind is Kind.scale:
        if event.name == "unscale_":
            for leaf in detail.get("held", ()):
                yield leaf, Touch.unscaled
        elif event.name == "step" and not detail["stepped"]:
            for leaf in detail.get("held", ()):
                yield leaf, Touch.skipped
    elif kind is Kind.write:
        for leaf in detail.get("gradients_of", ()):
            yield leaf, Touch.written
        for leaf in detail.get("leaves", ()):
            yield leaf, Touch.moved
        yield from _uses(timeline, event)
    elif kind is Kind.data_write:
        for leaf in event.outputs:
            yield leaf, Touch.moved
    elif kind in (Kind.op, Kind.export):
        yield from _uses(timeline, event)


def _uses(timeline: Timeline, event: Event) -> Iterator[tuple[int, Touch]]:
    if event.name in NO_USE:
        return
    for number in event.inputs:
        leaf = leaf_of_gradient(timeline, number)
        if leaf is not None:
            yield leaf, Touch.used


def leaf_of_gradient(timeline: Timeline, number: int) -> int | None:
    """Return the leaf whose gradient a tensor is, or shares the memory with."""
    tensor = timeline.tensors.get(number)
    if tensor is not None and tensor.of is None and tensor.alias is not None:
        tensor = timeline.tensors.get(tensor.alias)
    return tensor.of if tensor is not None else None


SCALER = "torch.amp.grad_scaler"
"""Where the functions of a GradScaler are: what they do to gradients is their own business."""

NO_USE = frozenset({"detach", "detach_", "data", "requires_grad_"})
"""Operators that make another name for a tensor and do not look at its values."""
