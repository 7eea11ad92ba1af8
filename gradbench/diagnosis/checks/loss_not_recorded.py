"""A loss that was computed under `no_grad`."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.timeline import Timeline
from gradbench.diagnosis.unrecorded import Reason, Unrecorded, unrecorded

CHECK = Check(
    id="GB501",
    title="The forward pass under `no_grad`",
    severity=Severity.error,
    symptom="error",
    why=(
        "Under `torch.no_grad()`, or in a function that it decorates, nothing is recorded: "
        "what comes out has no history, and there is nothing that backward could go through."
    ),
    fix=(
        "loss = criterion(model(x), y)  # outside of no_grad\n"
        "loss.backward()\n"
        "with torch.no_grad():\n"
        "    ...  # the update by hand, or an evaluation"
    ),
    atlas=("forward_under_no_grad",),
    source="docs: notes/autograd, No-grad Mode",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that backward raises then."""
    lost = unrecorded(timeline)
    if lost is None or lost.reason is not Reason.switch:
        return
    yield CHECK.found(
        lost.place,
        f"PyTorch raised “{lost.raised.first}”: "
        f"the loss was computed with gradients switched off here, by `{_by(lost)}`.",
        parameters=timeline.names(lost.leaves),
        also=lost.raised.also((lost.cut.place if lost.cut is not None else None, "cut")),
        evidence=lost.raised.evidence,
    )


def _by(lost: Unrecorded) -> str:
    event = lost.cause
    if event is None:
        return "no_grad"
    if event.name == "inference_mode":
        return "torch.inference_mode"
    return "@torch.no_grad()" if "decorate_context" in event.api else "torch.no_grad"
