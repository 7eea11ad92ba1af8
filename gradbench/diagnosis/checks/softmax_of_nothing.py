"""A softmax over a row that is masked altogether."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.births import not_finite
from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.singular import Singularity, singularity
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB406",
    title="A softmax over nothing: each element is masked",
    severity=Severity.error,
    symptom="nan",
    why=(
        "Where all elements of a row are −∞, softmax divides zero by zero. A row of attention "
        "without any key, or of padding only, is such a row."
    ),
    fix=(
        "scores = scores.masked_fill(mask, -1e9)  # finite, not float('-inf')\n"
        "# or leave out the rows that are all masked"
    ),
    atlas=(),
    source="pt#41508",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the first NaN or infinity of a backward pass, where it is of this kind."""
    for born in not_finite(timeline):
        if singularity(born) is not Singularity.softmax:
            continue
        yield CHECK.found(
            born.place,
            f"NaN or infinity is born here: `{born.name}` over a row of which each element is "
            f"−inf, or NaN, and {born.said(timeline)} {born.times}.",
            parameters=timeline.names(born.leaves),
            also=born.also,
            evidence=born.evidence,
        )
