"""A parameter that no optimizer holds although others of the same loss are trained."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.ownerless import ownerless_leaves
from gradbench.diagnosis.ownership import Ownerless
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB211",
    title="A parameter gets gradients, and no optimizer was given it",
    severity=Severity.warning,
    symptom="lost",
    why=(
        "The optimizer was built from a part of the parameters. Those left out get gradients like "
        "the others, keep their initial values, and their gradients add up since nobody clears "
        "them. What is meant to stay fixed should be frozen by requires_grad_(False)."
    ),
    fix="optimizer = torch.optim.Adam([*model.parameters(), *criterion.parameters()], lr=1e-3)",
    source="docs: torch.optim",
    sure_after=2,
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for parameters that were left out: a warning where they are the lesser part."""
    for each in ownerless_leaves(timeline):
        if each.reason != "forgotten" or each.arrivals < 2:
            continue
        few = _is_lesser_part(timeline, each)
        yield CHECK.found(
            each.place,
            f"{each.said(timeline)}, while {each.owned} parameters of the same loss are moved. "
            "Give them to the optimizer, or freeze them with `requires_grad_(False)`.",
            parameters=timeline.names(each.leaves),
            also=each.also,
            evidence=each.evidence,
            severity=Severity.warning if few else Severity.note,
        )


def _is_lesser_part(timeline: Timeline, each: Ownerless) -> bool:
    """Say whether the leaves are few beside what is trained, so that they were forgotten.

    A whole network that stays as it is, to judge another's results, is no part that was forgotten.
    """
    if len(each.leaves) >= each.owned or each.built is None:
        return False
    roots = {timeline.tensors[number].root for number in each.leaves}
    owned = {
        timeline.tensors[number].root
        for number in each.built.detail["held"]
        if number in timeline.tensors
    }
    return bool(roots & owned) or 2 * len(each.leaves) <= each.owned
