"""An in-place write to a view of a leaf in grad mode."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.raised import raised
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB515",
    title="A part of a leaf is written in place",
    severity=Severity.error,
    symptom="error",
    why=(
        "An element or a slice of a leaf is a view of it. Writing the view would write the "
        "leaf, which PyTorch refuses in grad mode."
    ),
    fix=(
        "with torch.no_grad():\n"
        "    w[0] = 3.0\n"
        "# or, for this forward pass only:\n"
        "h = w.clone()\n"
        "h[0] = 3.0"
    ),
    atlas=("leaf_view_written",),
    source="docs: torch.no_grad",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that PyTorch raises there."""
    error = raised(
        timeline,
        "a view of a leaf Variable that requires grad is being used in an in-place operation",
    )
    if error is None:
        return
    yield CHECK.found(
        error.place,
        f"PyTorch raised “{error.first}”: "
        "this line writes an element of a parameter in place outside of `torch.no_grad()`; "
        "use `clone` if only this forward pass is meant.",
        also=error.also(),
        evidence=error.evidence,
    )
