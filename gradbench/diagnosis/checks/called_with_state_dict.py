"""A forward pass with the tensors of a state dict."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.causes import Cause
from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.lost import lost_leaves
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB113",
    title="A forward pass with the tensors of `state_dict()`",
    severity=Severity.error,
    symptom="none",
    why=(
        "The tensors of a `state_dict` are detached from the parameters. Called with them, by "
        "`functional_call` or by hand, a model computes the same values, and its parameters get "
        "no gradient."
    ),
    fix="y = torch.func.functional_call(model, dict(model.named_parameters()), (x,))",
    atlas=("called_with_state_dict",),
    source="docs: torch.nn.Module.state_dict",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for parameters that took part in the loss as tensors of a state dict only."""
    for lost in lost_leaves(timeline):
        if lost.cause is Cause.state_dict:
            yield CHECK.found(
                lost.place,
                f"{lost.said(timeline)}: the loss was computed with the tensors of "
                "`state_dict()`, which are detached from the parameters.",
                parameters=timeline.names(lost.leaves),
                also=lost.also,
                evidence=lost.evidence,
            )
