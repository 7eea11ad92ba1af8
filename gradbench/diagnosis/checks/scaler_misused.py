"""A GradScaler that is called out of order."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.raised import raised
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB546",
    title="`GradScaler` used out of order",
    severity=Severity.error,
    symptom="error",
    why=(
        "A GradScaler follows one order: scale, backward, unscale_ once, step, update. "
        "Parameters in float16 cannot be unscaled: autocast casts what it needs and the "
        "parameters stay in float32."
    ),
    fix=(
        "scaler.scale(loss).backward()\n"
        "scaler.unscale_(optimizer)  # once\n"
        "scaler.step(optimizer)\n"
        "scaler.update()"
    ),
    atlas=(),
    source="docs: torch.amp.GradScaler",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that PyTorch raises there."""
    error = raised(
        timeline,
        "unscale_() has already been called on this optimizer",
        "unscale_() is being called after step()",
        "step() has already been called since the last update()",
        "Attempting to unscale FP16 gradients",
        "No inf checks were recorded",
    )
    if error is None:
        return
    yield CHECK.found(
        error.place,
        f"PyTorch raised “{error.first}”: "
        "the calls of the `GradScaler` are out of order, or it found no gradients to unscale.",
        also=error.also(),
        evidence=error.evidence,
    )
