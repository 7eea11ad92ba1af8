"""A tensor of integers that is to require a gradient."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.raised import raised
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB523",
    title="`requires_grad` of integers",
    severity=Severity.error,
    symptom="error",
    why="A gradient is a real number. Integers and booleans have none.",
    fix="w = torch.tensor([1.0, 2.0], requires_grad=True)  # floats: 1.0, or dtype=torch.float32",
    atlas=("integer_parameter",),
    source="docs: torch.Tensor.requires_grad",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that PyTorch raises there."""
    error = raised(
        timeline,
        "ensors of floating point and complex dtype can require gradients",
        "can only require gradients for floating point",
        "only Tensors of floating point",
    )
    if error is None:
        return
    yield CHECK.found(
        error.place,
        f"PyTorch raised “{error.first}”: the tensor holds integers; make it of floats.",
        also=error.also(),
        evidence=error.evidence,
    )
