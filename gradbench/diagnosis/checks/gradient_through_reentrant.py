"""`autograd.grad` through `checkpoint(use_reentrant=True)`."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.raised import raised
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB527",
    title="`autograd.grad` through a reentrant checkpoint",
    severity=Severity.error,
    symptom="error",
    why=(
        "The reentrant checkpoint calls backward inside of its own backward, which fills "
        "`.grad`. It cannot return gradients for chosen inputs."
    ),
    fix="y = checkpoint(segment, x, use_reentrant=False)",
    atlas=("gradient_asked_for",),
    source="docs: torch.utils.checkpoint",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that PyTorch raises there."""
    error = raised(
        timeline,
        "checkpoint is incompatible with .grad()",
        "incompatible with .grad() or passing an `inputs`",
        "When use_reentrant=True",
    )
    if error is None:
        return
    yield CHECK.found(
        error.place,
        f"PyTorch raised “{error.first}”: "
        "a `checkpoint` with `use_reentrant=True` lies on the way; use `use_reentrant=False`.",
        also=error.also(),
        evidence=error.evidence,
    )
