"""An in-place write to a view whose making was not recorded."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.raised import raised
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB544",
    title="A view that was made under `no_grad` or in a function is written",
    severity=Severity.error,
    symptom="error",
    why=(
        "A view that was made where nothing is recorded, or inside of a custom function, has "
        "no history that an in-place write could be added to."
    ),
    fix="part = x[:2].clone()  # a tensor of its own, made outside of no_grad",
    atlas=(),
    source="docs: notes/autograd",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that PyTorch raises there."""
    error = raised(
        timeline,
        "is a view and is being modified inplace",
        "A view was created in no_grad mode",
        "A view was created in inference mode",
    )
    if error is None or "BackwardHook" in error.message or "multiple views" in error.message:
        return
    yield CHECK.found(
        error.place,
        f"PyTorch raised “{error.first}”: "
        "the tensor is a view whose making autograd did not record; use `clone`, or make the "
        "view in grad mode.",
        also=error.also(),
        evidence=error.evidence,
    )
