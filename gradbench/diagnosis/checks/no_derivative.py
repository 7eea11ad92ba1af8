"""An operator without a derivative between a parameter and the loss."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.causes import Cause
from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.lost import lost_leaves
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB106",
    title="A comparison, an index or an integer between a parameter and the loss",
    severity=Severity.error,
    symptom="none",
    why=(
        "Comparisons (`>`, `==`), `argmax`, indices, `one_hot` and integers (`long`, `int`) have"
        " no derivative: their results are not differentiable, and the graph ends there."
    ),
    fix=(
        "probabilities = logits.sigmoid()  # not (logits.sigmoid() > 0.5).float()\n"
        "# or a straight-through estimate:\n"
        "hard = probabilities + (hard - probabilities).detach()"
    ),
    atlas=(),
    source="docs: torch.argmax",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for parameters whose only way to the loss leads through such an operator."""
    for lost in lost_leaves(timeline):
        if lost.cause is Cause.discrete:
            yield CHECK.found(
                lost.place,
                f"{lost.said(timeline)}: `{lost.cut.event.name.strip('_')}` is not "
                f"differentiable, and cuts the graph here, {lost.times}.",
                parameters=timeline.names(lost.leaves),
                also=lost.also,
                evidence=lost.evidence,
            )
