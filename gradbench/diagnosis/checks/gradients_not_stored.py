"""Gradients that were returned and never stored, and a step that found none."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.timeline import Kind, Timeline
from gradbench.diagnosis.unstored import unstored

CHECK = Check(
    id="GB123",
    title="`torch.autograd.grad(…)`, then `optimizer.step()`",
    severity=Severity.error,
    symptom="lost",
    why=(
        "`torch.autograd.grad` returns gradients and stores them nowhere. The step looks for them "
        "in `.grad`, finds None, and skips the parameter."
    ),
    fix="for p, g in zip(parameters, torch.autograd.grad(loss, parameters)):\n    p.grad = g\n"
    "optimizer.step()",
    atlas=("gradients_not_stored",),
    source="docs: torch.autograd.grad",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for steps without a gradient of what was differentiated before."""
    for each in unstored(timeline, Kind.gradient):
        yield CHECK.found(
            each.place,
            f"`torch.autograd.grad` returned gradients of {each.named(timeline)} here, they were "
            f"not stored in `.grad`, and `step()` found none {each.times} times.",
            parameters=timeline.names(each.leaves),
            also=each.also,
            evidence={"parameters": len(each.leaves), "steps_without": each.times},
        )
