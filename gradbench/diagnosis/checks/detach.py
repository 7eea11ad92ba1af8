"""A part of the model that is cut off by `detach`."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.causes import Cause
from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.lost import lost_leaves
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB101",
    title="`detach` between a parameter and the loss",
    severity=Severity.error,
    symptom="none",
    why=(
        "A detached tensor has no history. Backward ends there, and what lies behind it gets no "
        "gradient; the optimizer skips it."
    ),
    fix="hidden = encoder(x)  # without .detach()\nloss = head(hidden).square().mean()",
    atlas=("detached_part",),
    source="docs: torch.Tensor.detach",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for parameters whose only way to the loss leads through ``detach``."""
    for lost in lost_leaves(timeline):
        if lost.cause is Cause.detach:
            yield CHECK.found(
                lost.place,
                f"{lost.said(timeline)}: `detach` ends the graph here, {lost.times}.",
                parameters=timeline.names(lost.leaves),
                also=lost.also,
                evidence=lost.evidence,
            )
