"""A model made anew after the optimizer was built."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.ownerless import ownerless_leaves
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB207",
    title="The model was built again after the optimizer",
    severity=Severity.error,
    symptom="lost",
    why=(
        "The optimizer holds the parameters of the model that there was when it was "
        "built. The new model gets the gradients, and none of its parameters is stepped."
    ),
    fix="model = Net()\noptimizer = torch.optim.Adam(model.parameters(), lr=1e-3)  # after it",
    atlas=(),
    source="docs: torch.optim",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for a model that was made after the optimizer, which holds another one."""
    for each in ownerless_leaves(timeline):
        if each.reason != "rebuilt":
            continue
        yield CHECK.found(
            each.place,
            f"{each.said(timeline)}: the model was made here, after the optimizer was built for "
            f"another "
            "one.",
            parameters=timeline.names(each.leaves),
            also=each.also,
            evidence=each.evidence,
        )
