"""A sample drawn without reparameterisation between a parameter and the loss."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.causes import Cause
from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.lost import lost_leaves
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB108",
    title="`sample()` where `rsample()` is needed",
    severity=Severity.error,
    symptom="none",
    why=(
        "`sample()` of `torch.distributions` draws under `no_grad`: the sample is a constant and"
        " does not depend on the parameters of the distribution. `rsample()` draws by "
        "reparameterisation, and gradients flow through it."
    ),
    fix="code = Normal(mean, scale).rsample()  # not .sample()",
    atlas=(),
    source="docs: torch.distributions, Pathwise derivative",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for parameters whose only way to the loss leads through a sample."""
    for lost in lost_leaves(timeline):
        if lost.cause is Cause.sample:
            yield CHECK.found(
                lost.place,
                f"{lost.said(timeline)}: `.sample()` draws without a gradient here, {lost.times};"
                " `.rsample()` draws by reparameterisation.",
                parameters=timeline.names(lost.leaves),
                also=lost.also,
                evidence=lost.evidence,
            )
