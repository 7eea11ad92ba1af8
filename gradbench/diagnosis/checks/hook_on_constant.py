"""A hook or `retain_grad` on a tensor that requires no gradient."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.raised import raised
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB540",
    title="A hook on a tensor that requires no gradient",
    severity=Severity.error,
    symptom="error",
    why=(
        "A tensor that requires no gradient is not part of a graph: no gradient of it will "
        "ever come, so that there is nothing a hook could see or `retain_grad` could keep."
    ),
    fix=(
        "x.requires_grad_()  # before the forward pass, if its gradient is wanted\n"
        "x.register_hook(look)"
    ),
    atlas=(),
    source="docs: torch.Tensor.register_hook",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that PyTorch raises there."""
    error = raised(
        timeline,
        "cannot register a hook on a tensor that doesn't require gradient",
        "can't retain_grad on Tensor that has requires_grad=False",
    )
    if error is None:
        return
    yield CHECK.found(
        error.place,
        f"PyTorch raised “{error.first}”: "
        "the tensor requires no gradient: it was made under `no_grad`, detached, or of what "
        "is frozen.",
        also=error.also(),
        evidence=error.evidence,
    )
