"""A gradient that is differentiated and was not recorded."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.timeline import Timeline
from gradbench.diagnosis.unrecorded import Reason, unrecorded

CHECK = Check(
    id="GB505",
    title="A second derivative without `create_graph`",
    severity=Severity.error,
    symptom="error",
    why=(
        "`torch.autograd.grad` returns numbers without history. Only with `create_graph=True` "
        "its own work is recorded, so that its result can be differentiated."
    ),
    fix="(g,) = torch.autograd.grad(loss, w, create_graph=True)\ng.square().sum().backward()",
    atlas=("gradient_without_graph",),
    source="docs: torch.autograd.grad",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that backward raises then."""
    lost = unrecorded(timeline)
    if lost is None or lost.reason is not Reason.gradient:
        return
    yield CHECK.found(
        lost.place,
        f"PyTorch raised “{lost.raised.first}”: "
        "the gradient from `torch.autograd.grad` has no history, as `create_graph=True` is "
        "missing here.",
        parameters=timeline.names(lost.leaves),
        also=lost.raised.also((lost.cut.place if lost.cut is not None else None, "cut")),
        evidence=lost.raised.evidence,
    )
