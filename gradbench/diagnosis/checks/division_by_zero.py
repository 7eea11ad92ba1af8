"""A division by zero in the forward pass."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.births import not_finite
from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.singular import Singularity, singularity
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB404",
    title="A division by zero",
    severity=Severity.error,
    symptom="nan",
    why=(
        "The quotient and both its derivatives are infinite or NaN where the divisor is zero: "
        "an empty mask, a norm, a standard deviation or a count of zero."
    ),
    fix="mean = total / count.clamp_min(1)  # or (x / (norm + 1e-12))",
    atlas=(),
    source="",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the first NaN or infinity of a backward pass, where it is of this kind."""
    for born in not_finite(timeline):
        if singularity(born) is not Singularity.division:
            continue
        yield CHECK.found(
            born.place,
            f"NaN or infinity is born here: `{born.name}` divides by zero, and "
            f"{born.said(timeline)} {born.times}.",
            parameters=timeline.names(born.leaves),
            also=born.also,
            evidence=born.evidence,
        )
