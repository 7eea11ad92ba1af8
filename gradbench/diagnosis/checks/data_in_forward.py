"""A parameter whose `.data` is used in the forward pass."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.causes import Cause
from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.lost import lost_leaves
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB102",
    title="`.data` in the forward pass",
    severity=Severity.error,
    symptom="none",
    why=(
        "`.data` returns the values without their history, like `detach`, and nothing warns. "
        "What is computed from it has no way back to the parameter."
    ),
    fix="y = x @ self.weight  # not self.weight.data",
    atlas=(),
    source="docs: torch.Tensor.detach",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for parameters whose only way to the loss leads through ``.data``."""
    for lost in lost_leaves(timeline):
        if lost.cause is Cause.data:
            yield CHECK.found(
                lost.place,
                f"{lost.said(timeline)}: `.data` cuts it off from the graph here, as `detach` "
                f"would, {lost.times}.",
                parameters=timeline.names(lost.leaves),
                also=lost.also,
                evidence=lost.evidence,
            )
