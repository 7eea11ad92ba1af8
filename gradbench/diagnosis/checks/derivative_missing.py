"""An operator without derivative in a graph that is differentiated."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.raised import raised
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB547",
    title="An operator that has no derivative",
    severity=Severity.error,
    symptom="error",
    why=(
        "Some operators have no derivative, or none of a second order, in PyTorch. What "
        "depends on them cannot be trained by backward."
    ),
    fix="# use an operator that has one, write a torch.autograd.Function, or detach its input",
    atlas=(),
    source="docs: torch.autograd.Function",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that PyTorch raises there."""
    error = raised(
        timeline,
        "derivative for aten::",
        "does not have a derivative",
        "the derivative for '",
        "is not differentiable",
        "is not implemented for double backward",
    )
    if error is None:
        return
    yield CHECK.found(
        error.place,
        f"PyTorch raised “{error.first}”: an operator on the way has no derivative.",
        also=error.also(),
        evidence=error.evidence,
    )
