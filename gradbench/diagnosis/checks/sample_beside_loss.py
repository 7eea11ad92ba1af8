"""A sample without reparameterisation whose distribution is trained by another term alone."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.causes import Cause, cause_of
from gradbench.diagnosis.finding import Also, Check, Finding, Severity
from gradbench.diagnosis.flow import Cut, Root, flow_of
from gradbench.diagnosis.lost import lost_leaves
from gradbench.diagnosis.timeline import Kind, Timeline

CHECK = Check(
    id="GB125",
    title="`sample()` where the loss needs `rsample()`",
    severity=Severity.warning,
    symptom="wrong",
    why=(
        "`sample()` of `torch.distributions` draws under `no_grad`. What is computed of the sample "
        "trains the layers behind it, and passes nothing on to the parameters of the distribution, "
        "which learn from the other terms alone, such as a KL divergence."
    ),
    fix="code = Normal(mean, scale).rsample()  # not .sample()",
    source="docs: torch.distributions, Pathwise derivative",
)

_NAMES = (
    "normal", "log_normal", "laplace", "multivariate_normal", "lowrank_multivariate_normal",
    "independent", "transformed_distribution", "cauchy", "gumbel", "uniform", "exponential",
    "gamma", "beta", "dirichlet", "relaxed_bernoulli", "relaxed_categorical", "kumaraswamy",
    "logistic_normal", "studentT", "half_normal", "half_cauchy", "weibull",
)  # fmt: skip
_PATHWISE = tuple(f"torch.distributions.{each}." for each in _NAMES)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for samples in a loss that reaches their distribution by another way only."""
    told = {lost.place for lost in lost_leaves(timeline)}
    for root in flow_of(timeline).roots:
        for cut in root.cuts:
            place = cut.event.place
            if place is None or place in told or not cut.event.api.startswith(_PATHWISE):
                continue
            if cause_of(timeline, cut) is not Cause.sample:
                continue
            both = tuple(sorted(cut.leaves & root.live))
            if not both or _scored(timeline, cut) or not cut.leaves <= root.live:
                continue
            told.add(place)
            names = timeline.names(both)
            yield CHECK.found(
                place,
                f"`.sample()` draws without a gradient here, {cut.times} times: "
                f"{', '.join(names[:2])} learn nothing of what is computed with the sample. "
                "`.rsample()` draws by reparameterisation.",
                parameters=names,
                also=_also(root),
                evidence={"parameters": len(both), "draws": cut.times},
            )


def _also(root: Root) -> tuple[Also, ...]:
    place = root.event.place
    return (Also(place, "backward"),) if place is not None else ()


def _scored(timeline: Timeline, cut: Cut) -> bool:
    """Say whether a log probability trains the distribution: then a sample is a constant."""
    flow = flow_of(timeline)
    return any(
        ".log_prob" in event.api
        and any(cut.leaves & flow.leaves_of(number) for number in event.live)
        for event in timeline.of(Kind.op)
    )
