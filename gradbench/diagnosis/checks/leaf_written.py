"""An in-place write to a leaf in grad mode."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.raised import raised
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB514",
    title="A leaf that requires a gradient is written in place",
    severity=Severity.error,
    symptom="error",
    why=(
        "In grad mode an in-place write is recorded, and a recorded result is no leaf any "
        "more. PyTorch refuses that for a leaf that requires a gradient, as a parameter is."
    ),
    fix="with torch.no_grad():\n    w -= lr * w.grad\n    # or w.copy_(…); or optimizer.step()",
    atlas=("leaf_written",),
    source="docs: notes/autograd, No-grad Mode",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that PyTorch raises there."""
    error = raised(
        timeline, "a leaf Variable that requires grad is being used in an in-place operation"
    )
    if error is None or error.event.detail.get("thread") or error.message.startswith("a view"):
        return
    yield CHECK.found(
        error.place,
        f"PyTorch raised “{error.first}”: "
        "this line writes a parameter in place outside of `torch.no_grad()`.",
        also=error.also(),
        evidence=error.evidence,
    )
