"""A model that is a copy of the one whose parameters the optimizer holds."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.ownerless import ownerless_leaves
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB206",
    title="A copy of the model is trained, and the optimizer holds the original",
    severity=Severity.error,
    symptom="lost",
    why=(
        "deepcopy makes new parameters. An optimizer that was built for the original "
        "steps the original; the copy gets the gradients and stays as it is."
    ),
    fix=(
        "model = copy.deepcopy(template)\n"
        "optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)  # of the copy"
    ),
    atlas=(),
    source="docs: torch.optim",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for copies that get gradients while the optimizer holds the originals."""
    for each in ownerless_leaves(timeline):
        if each.reason != "copied":
            continue
        yield CHECK.found(
            each.place,
            f"{each.said(timeline)}: they are copies made here by `deepcopy`, and the optimizer "
            f"holds "
            "the originals.",
            parameters=timeline.names(each.leaves),
            also=each.also,
            evidence=each.evidence,
        )
