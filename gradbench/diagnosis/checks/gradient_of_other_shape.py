"""A gradient that does not fit its tensor."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.raised import raised
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB543",
    title="A gradient of another shape or kind than its tensor",
    severity=Severity.error,
    symptom="error",
    why="A gradient has the shape, dtype and device of what it is the gradient of.",
    fix=(
        "w.grad = gradient.reshape_as(w).to(w.dtype)\n"
        "# a custom Function: sum the gradient over what was broadcast, as with sum_to_size"
    ),
    atlas=(),
    source="docs: torch.autograd.Function.backward",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that PyTorch raises there."""
    error = raised(
        timeline,
        "assigned grad has data of a different",
        "Mismatch in shape: grad_output",
        "returned an invalid gradient at index",
    )
    if error is None:
        return
    yield CHECK.found(
        error.place,
        f"PyTorch raised “{error.first}”: "
        "the gradient has not the shape or dtype of what it belongs to.",
        also=error.also(),
        evidence=error.evidence,
    )
