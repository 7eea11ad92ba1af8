"""A part of the model that runs where gradients are off."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.causes import Cause, switched_off
from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.lost import Lost, lost_leaves
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB103",
    title="`no_grad` around a part that is to be trained",
    severity=Severity.error,
    symptom="none",
    why=(
        "Where gradients are off (`torch.no_grad`, `set_grad_enabled(False)`, `inference_mode`) "
        "nothing is recorded. What was computed there is a constant for backward, and the "
        "parameters that it was computed with get no gradient."
    ),
    fix="with torch.no_grad():\n    features = backbone(x)  # frozen\nloss = head(features).mean()",
    source="docs: notes/autograd, No-grad Mode",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for parameters that took part in the loss only where gradients were off."""
    for lost in lost_leaves(timeline):
        if lost.cause is Cause.no_grad:
            yield CHECK.found(
                lost.place,
                f"{lost.said(timeline)}: {_switch(timeline, lost)}, and "
                f"`{lost.cut.event.name}` ran with them off {lost.times}.",
                parameters=timeline.names(lost.leaves),
                also=lost.also,
                evidence=lost.evidence,
            )


def _switch(timeline: Timeline, lost: Lost) -> str:
    """Say what switched gradients off."""
    switch = switched_off(timeline, lost.cut.event)
    if switch is None:
        return "gradients are off (`no_grad`)"
    if switch.name == "inference_mode":
        name = "`torch.inference_mode`"
    elif switch.api.endswith("__init__"):
        name = "`torch.set_grad_enabled(False)`"
    else:
        name = "`torch.no_grad`"
    decorated = switch.detail.get("decorated")
    if decorated is not None:
        return f"{name}, the decorator of `{decorated[2]}`, switches gradients off"
    return f"{name} switches gradients off here"
