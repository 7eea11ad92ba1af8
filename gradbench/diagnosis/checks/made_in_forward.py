"""A layer that is built anew in every forward pass."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.ownerless import ownerless_leaves
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB202",
    title="A layer or parameter made in `forward`",
    severity=Severity.error,
    symptom="lost",
    why=(
        "What is made in forward is new in every pass: its gradient arrives at a "
        "parameter that is thrown away, and the optimizer has never seen it. The layers "
        "start from random values each time and learn nothing."
    ),
    fix="self.decoder = nn.Linear(8, 4)  # in __init__, not in forward",
    atlas=(),
    source="docs: torch.nn.Module",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for parameters that were made in forward and get gradients."""
    for each in ownerless_leaves(timeline):
        if each.reason != "forward":
            continue
        yield CHECK.found(
            each.place,
            f"{each.said(timeline)}: a new layer or `nn.Parameter` is created here, in the "
            f"forward pass. "
            "Make it once, in `__init__`, before the optimizer is built.",
            parameters=timeline.names(each.leaves),
            also=each.also,
            evidence=each.evidence,
        )
