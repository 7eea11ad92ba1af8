"""A second derivative of what `torch.compile` made."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.raised import raised
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB526",
    title="A second derivative through `torch.compile`",
    severity=Severity.error,
    symptom="error",
    why=(
        "The backward pass of compiled code is compiled as well, and has no derivative of its own."
    ),
    fix="out = model(x)  # the module that was not compiled, for what is differentiated twice",
    atlas=("compiled_second_derivative",),
    source="",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that PyTorch raises there."""
    error = raised(timeline, "does not currently support double backward")
    if error is None:
        return
    yield CHECK.found(
        error.place,
        f"PyTorch raised “{error.first}”: "
        "leave what is differentiated twice, such as by a gradient penalty with "
        "`create_graph=True`, uncompiled.",
        also=error.also(),
        evidence=error.evidence,
    )
