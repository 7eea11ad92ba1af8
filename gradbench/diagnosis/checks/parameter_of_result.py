"""An `nn.Parameter` made of a result."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.causes import Cause
from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.lost import lost_leaves
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB115",
    title="`nn.Parameter(…)` made of a tensor with a history",
    severity=Severity.error,
    symptom="none",
    why=(
        "`nn.Parameter` makes a new leaf of the values: the gradient arrives at the new "
        "parameter and goes no further. Made in each forward pass, it is thrown away with its "
        "gradient."
    ),
    fix="y = F.linear(x, self.weight * self.scale)  # any tensor may serve as a weight",
    atlas=("parameter_made_in_forward",),
    source="docs: torch.nn.parameter.Parameter",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for parameters whose only way to the loss leads through a new parameter."""
    for lost in lost_leaves(timeline):
        if lost.cause is Cause.parameter:
            yield CHECK.found(
                lost.place,
                f"{lost.said(timeline)}: `nn.Parameter` makes a new leaf here, {lost.times}, and "
                "the gradient goes no further than that leaf.",
                parameters=timeline.names(lost.leaves),
                also=lost.also,
                evidence=lost.evidence,
            )
