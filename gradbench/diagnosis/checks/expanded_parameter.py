"""A parameter whose elements are one number in memory."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.ancestry import maker
from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.raised import raised
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB528",
    title="A parameter made of an expanded tensor",
    severity=Severity.error,
    symptom="error",
    why=(
        "`expand` repeats nothing: all elements are one number in memory. No step can write "
        "different values into them, and PyTorch refuses to try."
    ),
    fix="w = nn.Parameter(torch.ones(1).expand(3).clone())  # clone makes the elements real",
    atlas=("expanded_parameter",),
    source="docs: torch.Tensor.expand",
)

_EXPANDS = ("expand", "expand_as", "broadcast_to", "broadcast_tensors", "as_strided")


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that a write to it raises."""
    error = raised(timeline, "more than one element of the written-to tensor")
    if error is None:
        return
    made = [
        event
        for event in timeline.of(Kind.parameter)
        if event.index < error.event.index and _expanded(timeline, event)
    ]
    first = made[0] if made else None
    numbers = first.outputs if first is not None else ()
    yield CHECK.found(
        first.place if first is not None and first.place is not None else error.place,
        f"PyTorch raised “{error.first}”: the elements of "
        f"{timeline.name(numbers[0]) if numbers else 'what is written'} are one number, made by "
        "`expand`; use `clone`.",
        parameters=timeline.names(tuple(numbers)),
        also=error.also(),
        evidence=error.evidence,
    )


def _expanded(timeline: Timeline, event: Event) -> bool:
    earlier = (maker(timeline, number, event.index) for number in event.inputs)
    return any(each is not None and each.name in _EXPANDS for each in earlier)
