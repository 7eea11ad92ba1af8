"""A reentrant checkpoint whose inputs need no gradient."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.causes import Cause
from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.lost import lost_leaves
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB112",
    title="`checkpoint(…, use_reentrant=True)` of inputs that require no gradient",
    severity=Severity.error,
    symptom="none",
    why=(
        "The reentrant implementation runs the segment under `no_grad` and looks at its inputs "
        "only. Where none of them requires a gradient its result requires none, and the "
        "parameters inside get no gradient."
    ),
    fix="y = checkpoint(block, x, use_reentrant=False)",
    atlas=("input_without_gradient",),
    source="docs: torch.utils.checkpoint",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for parameters inside of such a segment."""
    for lost in lost_leaves(timeline):
        if lost.cause is Cause.checkpoint:
            yield CHECK.found(
                lost.place,
                f"{lost.said(timeline)}: this `checkpoint` is reentrant (`use_reentrant=True`), "
                "and none of its inputs requires a gradient.",
                parameters=timeline.names(lost.leaves),
                also=lost.also,
                evidence=lost.evidence,
            )
