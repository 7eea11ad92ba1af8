"""Parameters that `load_state_dict(assign=True)` replaced after the optimizer was built."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.ownerless import ownerless_leaves
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB204",
    title="`load_state_dict(assign=True)` after the optimizer was built",
    severity=Severity.error,
    symptom="lost",
    why=(
        "With assign=True the tensors of the state dict become the new parameters of the "
        "module, instead of being copied into the old ones. The optimizer holds the old "
        "ones and goes on stepping those."
    ),
    fix=(
        "model.load_state_dict(state, assign=True)\n"
        "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)  # after it"
    ),
    atlas=("assigned_after_optimizer",),
    source="docs: torch.nn.Module.load_state_dict",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for parameters that loading put in the place of what an optimizer holds."""
    for each in ownerless_leaves(timeline):
        if each.reason != "loaded":
            continue
        yield CHECK.found(
            each.place,
            f"{each.said(timeline)}: `load_state_dict(assign=True)` replaced them here, after the "
            "optimizer was built.",
            parameters=timeline.names(each.leaves),
            also=each.also,
            evidence=each.evidence,
        )
