"""A root at zero, where its derivative is infinite."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.births import not_finite
from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.singular import Singularity, singularity
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB401",
    title="A root or a norm at zero",
    severity=Severity.error,
    symptom="nan",
    why=(
        "The derivative of a root at zero is infinite, and infinity times zero is NaN. So it "
        "is for `sqrt`, `pow` with an exponent below one, `rsqrt`, and for a norm or distance "
        "that is written as a root of a sum of squares."
    ),
    fix=(
        "distance = (squares.sum(1) + 1e-12).sqrt()  # eps inside of the root\n"
        "# or torch.linalg.vector_norm(x, dim=1), which takes zero there"
    ),
    atlas=("root_of_zero",),
    source="docs: torch.linalg.vector_norm",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the first NaN or infinity of a backward pass, where it is of this kind."""
    for born in not_finite(timeline):
        if singularity(born) is not Singularity.root:
            continue
        yield CHECK.found(
            born.place,
            f"NaN or infinity is born here: `{born.name}` of zero has an infinite derivative, and "
            f"{born.said(timeline)} {born.times}.",
            parameters=timeline.names(born.leaves),
            also=born.also,
            evidence=born.evidence,
        )
