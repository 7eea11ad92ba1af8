"""A parameter that was made after the optimizer."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.ownerless import ownerless_leaves
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB210",
    title="A layer or parameter added after the optimizer was built",
    severity=Severity.error,
    symptom="lost",
    why=(
        "An optimizer holds what it was given when it was built. What is added to the "
        "model later gets gradients and is never moved."
    ),
    fix=(
        'model.add_module("head", nn.Linear(8, 2))\n'
        "optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)  # after it"
    ),
    atlas=(),
    source="docs: torch.optim.Optimizer.add_param_group",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for parameters that were made after the optimizer and never given to it."""
    for each in ownerless_leaves(timeline):
        if each.reason != "later":
            continue
        yield CHECK.found(
            each.place,
            f"{each.said(timeline)}: made after the optimizer was built, and never added to it.",
            parameters=timeline.names(each.leaves),
            also=each.also,
            evidence=each.evidence,
        )
