"""requires_grad set on a tensor that is no leaf."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.raised import raised
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB541",
    title="`requires_grad` set on a result",
    severity=Severity.error,
    symptom="error",
    why=(
        "Whether a result requires a gradient follows from what it was computed of. Only a "
        "leaf has a flag of its own."
    ),
    fix=(
        "frozen = result.detach()  # a leaf, without history\n"
        "# or freeze the parameters: module.requires_grad_(False)"
    ),
    atlas=(),
    source="docs: torch.Tensor.requires_grad",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that PyTorch raises there."""
    error = raised(timeline, "you can only change requires_grad flags of leaf variables")
    if error is None:
        return
    yield CHECK.found(
        error.place,
        f"PyTorch raised “{error.first}”: "
        "the tensor is no leaf but a result; use `detach()`, or set the flag of the "
        "parameters.",
        also=error.also(),
        evidence=error.evidence,
    )
