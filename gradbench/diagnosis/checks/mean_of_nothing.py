"""A mean, a loss or a deviation of no element."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.births import not_finite
from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.singular import Singularity, singularity
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB407",
    title="A mean of nothing",
    severity=Severity.error,
    symptom="nan",
    why=(
        "The mean of no element is zero divided by zero: a batch of which all labels are "
        "`ignore_index`, an empty selection, or `std` and `var` of one element."
    ),
    fix=(
        "loss = criterion(x, y) if (y != ignore).any() else x.sum() * 0\n"
        "# std(unbiased=False), or more than one element"
    ),
    atlas=(),
    source="docs: torch.nn.functional.cross_entropy",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the first NaN or infinity of a backward pass, where it is of this kind."""
    for born in not_finite(timeline):
        if singularity(born) is not Singularity.mean:
            continue
        yield CHECK.found(
            born.place,
            f"NaN or infinity is born here: `{born.name}` averages over no element, or holds NaN "
            f"already, and {born.said(timeline)} {born.times}.",
            parameters=timeline.names(born.leaves),
            also=born.also,
            evidence=born.evidence,
        )
