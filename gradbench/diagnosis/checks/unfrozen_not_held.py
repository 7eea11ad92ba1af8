"""A parameter that was frozen when the optimizer was built, and unfrozen since."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.ownerless import ownerless_leaves
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB209",
    title="A parameter unfrozen later, which the optimizer was never given",
    severity=Severity.error,
    symptom="lost",
    why=(
        "An optimizer that was built from the parameters that required a gradient at that "
        "time does not learn of those that are unfrozen later. They get gradients and are "
        "never moved."
    ),
    fix='encoder.requires_grad_(True)\noptimizer.add_param_group({"params": encoder.parameters()})',
    atlas=("filtered_then_unfrozen",),
    source="docs: torch.optim.Optimizer.add_param_group",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for unfrozen parameters that no optimizer holds."""
    for each in ownerless_leaves(timeline):
        if each.reason != "unfrozen":
            continue
        yield CHECK.found(
            each.place,
            f"{each.said(timeline)}: `requires_grad` was set here, after the optimizer was built "
            f"without "
            "them. Add them with `add_param_group`.",
            parameters=timeline.names(each.leaves),
            also=each.also,
            evidence=each.evidence,
        )
