"""A backward pass from a tensor of several elements."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.raised import raised
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB519",
    title="`backward()` of a loss that is not one number",
    severity=Severity.error,
    symptom="error",
    why=(
        "Backward starts from one number. For a tensor of several elements it would have to "
        'know how each is weighted: `reduction="none"`, or a loss per example, is not reduced '
        "yet."
    ),
    fix="loss.mean().backward()  # or .sum(); or loss.backward(weights)",
    atlas=("loss_not_reduced",),
    source="docs: torch.Tensor.backward",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that PyTorch raises there."""
    error = raised(timeline, "grad can be implicitly created only for scalar outputs")
    if error is None:
        return
    yield CHECK.found(
        error.place,
        f"PyTorch raised “{error.first}”: "
        "the loss has several elements; take its `mean()` or `sum()` first.",
        also=error.also(),
        evidence=error.evidence,
    )
