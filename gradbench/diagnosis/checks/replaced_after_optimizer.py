"""A parameter or layer that was put in the place of one the optimizer holds."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.ownerless import ownerless_leaves
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB203",
    title="A layer or parameter replaced after the optimizer was built",
    severity=Severity.error,
    symptom="lost",
    why=(
        "An optimizer holds the parameter objects that it was given. Assigning another "
        "object to the module changes the module only; the optimizer goes on with the old "
        "ones, which get no gradient any more."
    ),
    fix=(
        "model.head = nn.Linear(32, 3)\n"
        "optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)  # after it"
    ),
    atlas=("parameter_replaced",),
    source="pt#14467",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for new parameters in the place of what an optimizer holds."""
    for each in ownerless_leaves(timeline):
        if each.reason != "replaced":
            continue
        yield CHECK.found(
            each.place,
            f"{each.said(timeline)}: replaced here after the optimizer was built, which still "
            f"holds the "
            "old parameter. Build the optimizer afterwards, or use `add_param_group`.",
            parameters=timeline.names(each.leaves),
            also=each.also,
            evidence=each.evidence,
        )
