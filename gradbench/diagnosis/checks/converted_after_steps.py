"""A model that is converted after its optimizer has made its state."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.raised import raised
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB529",
    title="A model converted after its optimizer has stepped",
    severity=Severity.error,
    symptom="error",
    why=(
        "`model.to(dtype)` converts the parameters. The moments that the optimizer keeps of them "
        "stay in the old dtype, and the two do not mix."
    ),
    fix=(
        "model.to(torch.bfloat16)\n"
        "optimizer.load_state_dict(optimizer.state_dict())  # casts the state to the parameters"
    ),
    atlas=("converted_after_steps",),
    source="docs: torch.nn.Module.to",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for an error about dtypes after a conversion of what an optimizer has stepped."""
    error = raised(timeline, "dtype", "expected scalar type", "same type", "Expected all tensors")
    if error is None:
        return
    held = {
        number
        for step in timeline.of(Kind.step)
        for number in step.detail["held"]
        if number not in step.detail["none"]
    }
    first = min((step.index for step in timeline.of(Kind.step)), default=None)
    converted = [
        event
        for event in timeline.of(Kind.data_write)
        if first is not None
        and first < event.index < error.event.index
        and event.detail["dtypes"][0] != event.detail["dtypes"][1]
        and set(event.outputs) & held
    ]
    if not converted or _passed_since(timeline, converted[-1]):
        return
    last = converted[-1]
    before, after = last.detail["dtypes"]
    names = timeline.names([number for event in converted for number in event.outputs])
    yield CHECK.found(
        last.place or error.place,
        f"PyTorch raised “{error.first}”: {len(converted)} parameters were converted here from "
        f"{before} to {after} after the optimizer had stepped; its state is {before} still.",
        parameters=names,
        also=error.also(),
        evidence={**error.evidence, "converted": len(converted)},
    )


def _passed_since(timeline: Timeline, converted: Event) -> bool:
    """Say whether a step was made with the converted parameters: then they do mix."""
    return any(step.index > converted.index for step in timeline.of(Kind.step))
