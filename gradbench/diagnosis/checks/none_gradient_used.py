"""A `.grad` that is None where the program expects a tensor."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.ancestry import maker
from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.lost import lost_leaves
from gradbench.diagnosis.raised import Raised, raised
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB533",
    title="`.grad` is None where it is used",
    severity=Severity.error,
    symptom="error",
    why=(
        "`.grad` is None until a backward pass has brought a gradient: of a tensor that the loss "
        "does not depend on it stays None, of a result that is no leaf it is kept only with "
        "`retain_grad()`, and `zero_grad()` sets it to None again."
    ),
    fix=(
        "loss.backward()\n"
        "if w.grad is not None:\n    w.grad.mul_(0.5)  # or find out why there is none"
    ),
    source="docs: torch.Tensor.grad",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for an error about None at a line that has read a `.grad`."""
    error = raised(timeline, "NoneType")
    if error is None or error.event.name not in ("AttributeError", "TypeError"):
        return
    read = _read(timeline, error)
    if read is None or not read.detail["leaf"]:
        return  # of a result, `grad_of_result` tells
    number = read.inputs[0]
    name = timeline.name(number)
    place, said = _why(timeline, read, number)
    yield CHECK.found(
        place or read.place or error.place,
        f"PyTorch raised “{error.first}”: `.grad` of {name} is None, since {said}.",
        parameters=timeline.names([number]),
        also=error.also((read.place, "read as None")),
        evidence=error.evidence,
    )


def _read(timeline: Timeline, error: Raised) -> Event | None:
    """Return the reading of a None that the error is about: at its line, or just before it."""
    reads = [
        event
        for event in timeline.of(Kind.grad_read)
        if event.detail["none"] and event.detail["use"] in ("used", "stored")
    ]
    lines = {error.place, *error.event.callers}
    near = [event for event in reads if event.place in lines or lines & set(event.callers)]
    return near[-1] if near else None


def _why(timeline: Timeline, read: Event, number: int) -> tuple[Place | None, str]:
    """Say why there is no gradient, and where that was decided."""
    for lost in lost_leaves(timeline):
        if number in lost.leaves:
            return lost.place, f"`{lost.cut.event.name}` cuts it off from the loss here"
    passes = [
        event
        for event in timeline.of(Kind.backward)
        if event.index < read.index and not event.detail["failed"]
    ]
    made = maker(timeline, number, read.index)
    if passes and made is not None and made.index > passes[-1].index:
        return made.place, (
            f"it is a new tensor, made by `{made.name}` here after the backward pass: the name was "
            "rebound, where an update in place was meant"
        )
    if not passes:
        return None, "no backward pass has run yet"
    if any(number in event.detail["arrived"] for event in passes):
        cleared = [
            event
            for event in timeline.of(Kind.clear)
            if event.index < read.index and number in event.detail["cleared"]
        ]
        if cleared and cleared[-1].index > passes[-1].index:
            return cleared[-1].place, "`zero_grad` has removed it here, after the backward pass"
    frozen = [
        event
        for event in timeline.of(Kind.requires_grad)
        if number in event.outputs and event.index < read.index
    ]
    if frozen and not frozen[-1].detail["value"]:
        return frozen[-1].place, "it was frozen here, by `requires_grad`"
    return None, "the loss does not depend on it"
