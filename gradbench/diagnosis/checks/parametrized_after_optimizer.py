"""Parameters that `weight_norm` or another parametrization made after the optimizer was built."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.ownerless import ownerless_leaves
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB205",
    title="A parametrization registered after the optimizer was built",
    severity=Severity.error,
    symptom="lost",
    why=(
        "weight_norm and other parametrizations replace a weight by new parameters that "
        "it is computed from. An optimizer that was built before holds the old weight, "
        "which is no longer used."
    ),
    fix=(
        "parametrizations.weight_norm(layer)\n"
        "optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)  # after it"
    ),
    atlas=("optimizer_before_parametrization",),
    source="docs: torch.nn.utils.parametrize.register_parametrization",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for parameters that a parametrization made and no optimizer holds."""
    for each in ownerless_leaves(timeline):
        if each.reason != "parametrized":
            continue
        yield CHECK.found(
            each.place,
            f"{each.said(timeline)}: this parametrization made new parameters after the optimizer "
            f"was "
            "built.",
            parameters=timeline.names(each.leaves),
            also=each.also,
            evidence=each.evidence,
        )
