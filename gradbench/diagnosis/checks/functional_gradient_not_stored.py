"""Gradients of `torch.func.grad` that were never stored, and a step that found none."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.timeline import Kind, Timeline
from gradbench.diagnosis.unstored import unstored

CHECK = Check(
    id="GB124",
    title="`torch.func.grad(…)`, then `optimizer.step()`",
    severity=Severity.error,
    symptom="lost",
    why=(
        "`torch.func.grad` and its like return the gradient; `.grad`, and so the step, know "
        "nothing of it. The optimizer skips what has no `.grad`."
    ),
    fix="w.grad = torch.func.grad(loss)(w).detach()\noptimizer.step()",
    atlas=("functional_gradient_not_stored",),
    source="docs: torch.func.grad",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for steps without a gradient of what a transform differentiated before."""
    for each in unstored(timeline, Kind.functional):
        yield CHECK.found(
            each.place,
            f"`torch.func.{each.event.name}` returned gradients of {each.named(timeline)} here, "
            f"they were not stored in `.grad`, and `step()` found none {each.times} times.",
            parameters=timeline.names(each.leaves),
            also=each.also,
            evidence={"parameters": len(each.leaves), "steps_without": each.times},
        )
