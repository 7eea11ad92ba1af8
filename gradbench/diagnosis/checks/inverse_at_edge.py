"""An inverse function at the edge of its range."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.births import not_finite
from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.singular import Singularity, singularity
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB405",
    title="An inverse function at the edge of its range",
    severity=Severity.error,
    symptom="nan",
    why=(
        "`acos` and `asin` at ±1, `atanh` at ±1, `acosh` at 1, `erfinv` and `logit` at 0 and "
        "1 have infinite derivatives. A cosine similarity reaches 1 for equal vectors, and "
        "rounding goes beyond."
    ),
    fix="angle = cosine.clamp(-1 + 1e-6, 1 - 1e-6).acos()\n# or torch.atan2(sine, cosine)",
    atlas=(),
    source="",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the first NaN or infinity of a backward pass, where it is of this kind."""
    for born in not_finite(timeline):
        if singularity(born) is not Singularity.inverse:
            continue
        yield CHECK.found(
            born.place,
            f"NaN or infinity is born here: `{born.name}` has an infinite derivative at the edge "
            f"of its range, and {born.said(timeline)} {born.times}; `clamp` its input.",
            parameters=timeline.names(born.leaves),
            also=born.also,
            evidence=born.evidence,
        )
