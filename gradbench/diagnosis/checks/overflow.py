"""NaN or infinity whose operator is none of the known ones."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.births import not_finite
from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.singular import Singularity, singularity
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB408",
    title="NaN or infinity that an operator makes of its operands",
    severity=Severity.error,
    symptom="nan",
    why=(
        "Either the values that went in were too large or NaN already (a loss that diverges, "
        "unscaled inputs, `exp` of a large number, NaN in the data), or the derivative "
        "overflows there."
    ),
    fix=(
        "assert torch.isfinite(x).all()  # the input of this line, first\n"
        "# then: a smaller learning rate, clip_grad_norm_, exp(x.clamp_max(20))"
    ),
    atlas=(),
    source="docs: torch.autograd.set_detect_anomaly",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the first NaN or infinity of a backward pass, where it is of this kind."""
    for born in not_finite(timeline):
        if singularity(born) is not Singularity.other:
            continue
        yield CHECK.found(
            born.place,
            f"NaN or infinity is born here: `{born.name}` makes NaN or infinity of what goes in, "
            f"and {born.said(timeline)} {born.times}.",
            parameters=timeline.names(born.leaves),
            also=born.also,
            evidence=born.evidence,
        )
