"""The logarithm of zero, where its derivative is infinite."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.births import not_finite
from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.singular import Singularity, singularity
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB403",
    title="The logarithm of a zero, as of an underflown softmax",
    severity=Severity.error,
    symptom="nan",
    why=(
        "The derivative of the logarithm at zero is infinite. `softmax` and `sigmoid` "
        "underflow to zero where a logit is far below the others."
    ),
    fix=(
        "logp = x.log_softmax(1)  # not softmax(1).log()\n"
        "# or torch.nn.functional.cross_entropy, logsigmoid, xlogy; or log(p.clamp_min(eps))"
    ),
    atlas=("log_of_softmax",),
    source="docs: torch.nn.functional.log_softmax",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the first NaN or infinity of a backward pass, where it is of this kind."""
    for born in not_finite(timeline):
        if singularity(born) is not Singularity.log:
            continue
        yield CHECK.found(
            born.place,
            f"NaN or infinity is born here: `{born.name}` of zero has an infinite derivative, and "
            f"{born.said(timeline)} {born.times}; use `log_softmax` or `logsigmoid` where the zero "
            "comes of `softmax` or `sigmoid`.",
            parameters=timeline.names(born.leaves),
            also=born.also,
            evidence=born.evidence,
        )
