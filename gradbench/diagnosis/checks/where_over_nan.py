"""An infinite derivative in a branch that is masked out."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.births import not_finite
from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.singular import Singularity, singularity
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB402",
    title="`torch.where` over a branch with an infinite derivative",
    severity=Severity.error,
    symptom="nan",
    why=(
        "Backward goes through both branches of `torch.where`, or of a product with a mask. "
        "The branch that is not taken gets a zero, and zero times an infinite derivative is "
        "NaN."
    ),
    fix=(
        "safe = torch.where(x > 0, x, 1.0)  # make the input of the branch safe, too\n"
        "y = torch.where(x > 0, safe.log(), 0.0)"
    ),
    atlas=("where_over_nan",),
    source="pt#23395, pt#156212",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the first NaN or infinity of a backward pass, where it is of this kind."""
    for born in not_finite(timeline):
        if singularity(born) is not Singularity.masked:
            continue
        yield CHECK.found(
            born.place,
            f"NaN or infinity is born here: `{born.name}` has an infinite derivative at elements "
            "that `torch.where` or a mask leaves out; zero times infinity is NaN, and "
            f"{born.said(timeline)} {born.times}.",
            parameters=timeline.names(born.leaves),
            also=born.also,
            evidence=born.evidence,
        )
