"""Models whose parameters were stacked."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.causes import Cause
from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.lost import lost_leaves
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB114",
    title="`stack_module_state`, and the gradients of the models",
    severity=Severity.error,
    symptom="none",
    why=(
        "`stack_module_state` stacks copies of the parameters into new leaves. Gradients arrive "
        "at the stacked parameters; the models, and an optimizer that holds their parameters, "
        "see none."
    ),
    fix=(
        "parameters, buffers = torch.func.stack_module_state(models)\n"
        "optimizer = torch.optim.SGD(parameters.values(), lr=0.1)"
    ),
    atlas=("stacked_models",),
    source="docs: torch.func.stack_module_state",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for models that are waiting for gradients of their stacked copies."""
    for lost in lost_leaves(timeline):
        if lost.cause is Cause.stacked:
            yield CHECK.found(
                lost.place,
                f"{lost.said(timeline)}: `stack_module_state` copies parameters into new leaves "
                "here, and the gradients arrive there.",
                parameters=timeline.names(lost.leaves),
                also=lost.also,
                evidence=lost.evidence,
            )
