"""Gradients too small for float16."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.history import lines, named
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB318",
    title="A gradient underflows in float16",
    severity=Severity.warning,
    symptom="zero",
    why=(
        "The smallest number of float16 is 2⁻²⁴, about 6e-8. A smaller gradient becomes zero. "
        "A GradScaler multiplies the loss, so that gradients stay above that; bfloat16 has the "
        "range of float32."
    ),
    fix=(
        'scaler = torch.amp.GradScaler("cuda")\nscaler.scale(loss).backward()\n'
        "scaler.step(optimizer)\nscaler.update()"
    ),
    atlas=("half_underflow",),
    source="docs: torch.amp, Gradient Scaling",
    sure_after=0,
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for factors that made zeros of a float16 gradient that was none."""
    backwards = {event.index: event for event in timeline.of(Kind.backward)}
    told: set[Place] = set()
    for event in timeline.of(Kind.vanished):
        backward = backwards.get(event.detail["backward"])
        if event.place is None or event.place in told or backward is None:
            continue
        zero = tuple(backward.detail["zero"])
        if not zero or not _scales(timeline, event):
            continue
        told.add(event.place)
        yield CHECK.found(
            event.place,
            f"The gradient of {named(timeline, zero)} is zero: here one that is not zero becomes "
            "too small for float16 and underflows.",
            parameters=timeline.names(zero),
            also=lines((backward, "backward")),
            evidence={"operator": event.detail["operator_name"], "parameters": len(zero)},
        )


def _scales(timeline: Timeline, event: Event) -> bool:
    """Say whether an operator only multiplies, by something other than zero, in float16."""
    tensors = [timeline.tensors[number] for number in event.inputs if number in timeline.tensors]
    if not any(tensor.dtype == "float16" for tensor in tensors):
        return False
    if event.detail["operator_name"] in ("mul", "__rmul__", "div", "truediv", "__truediv__"):
        factor = event.detail.get("factor")
        return factor is not None and factor != 0 and len(event.inputs) == 1
    return event.detail["operator_name"] in ("mean", "float", "to", "half", "type")
