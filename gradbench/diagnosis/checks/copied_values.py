"""Tensors that are put together by `torch.tensor`, which copies their values."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.causes import Cause
from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.lost import lost_leaves
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB104",
    title="`torch.tensor(…)` of tensors that require a gradient",
    severity=Severity.error,
    symptom="none",
    why=(
        "`torch.tensor`, `new_tensor` and their like copy values. The new tensor is a constant, "
        "or a leaf of its own, and has no history: backward does not reach what the values were "
        "computed from."
    ),
    fix="loss = torch.stack(losses).mean()  # not torch.tensor(losses)",
    atlas=("tensor_of_tensors",),
    source="docs: torch.tensor",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for parameters whose only way to the loss leads through a copy of values."""
    for lost in lost_leaves(timeline):
        if lost.cause is Cause.copied:
            yield CHECK.found(
                lost.place,
                f"{lost.said(timeline)}: `torch.{lost.cut.event.name}` copies the values out of "
                f"the graph here, {lost.times}; the result is a constant. `torch.stack` or "
                "`torch.cat` keeps the graph.",
                parameters=timeline.names(lost.leaves),
                also=lost.also,
                evidence=lost.evidence,
            )
