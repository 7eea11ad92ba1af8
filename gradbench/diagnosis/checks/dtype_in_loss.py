"""A loss of tensors of different dtypes."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.raised import raised
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB545",
    title="Prediction and target of different dtypes",
    severity=Severity.error,
    symptom="error",
    why=(
        "Backward found a gradient in another dtype than the tensor's. NumPy's arrays are "
        "float64: a target or an input made of one makes the loss float64, the model is "
        "float32."
    ),
    fix="target = torch.from_numpy(array).float()",
    atlas=(),
    source="docs: torch.from_numpy",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that PyTorch raises there."""
    error = raised(
        timeline,
        "Found dtype Double but expected Float",
        "Found dtype Float but expected Double",
        "Found dtype Long but expected Float",
        "Found dtype Float but expected Half",
    )
    if error is None:
        return
    yield CHECK.found(
        error.place,
        f"PyTorch raised “{error.first}”: "
        "two tensors that meet in the loss have different dtypes; give both one, as with "
        "`.float()` for what comes from NumPy.",
        also=error.also(),
        evidence=error.evidence,
    )
