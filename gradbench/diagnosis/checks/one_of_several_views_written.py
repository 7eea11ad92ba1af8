"""An in-place write to one of the views that `unbind`, `split` or `chunk` return."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.raised import raised
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB516",
    title="One of several views is written in place",
    severity=Severity.error,
    symptom="error",
    why=(
        "`unbind`, `split`, `chunk` and iterating over a tensor return several views at once. "
        "Autograd cannot follow an in-place write to one of them."
    ),
    fix=(
        "first, second = x.unbind()\n"
        "first = first * 3  # a new tensor, not first.mul_(3) or first *= 3"
    ),
    atlas=("parts_written",),
    source="",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that PyTorch raises there."""
    error = raised(timeline, "is the output of a function that returns multiple views")
    if error is None:
        return
    yield CHECK.found(
        error.place,
        f"PyTorch raised “{error.first}”: "
        "this line writes one of several views in place; compute a new tensor instead.",
        also=error.also(),
        evidence=error.evidence,
    )
