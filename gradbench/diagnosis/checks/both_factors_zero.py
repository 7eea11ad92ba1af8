"""Two factors that are both zero: neither ever gets a gradient."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.timeline import Kind, Timeline
from gradbench.diagnosis.vanishing import Vanished, vanished

CHECK = Check(
    id="GB412",
    title="Two factors that both start at zero",
    severity=Severity.error,
    symptom="zero",
    why=(
        "The gradient of each factor of a product is the other one. Where both are zero both "
        "gradients are, for ever. One of the two may start at zero, as in LoRA; not both."
    ),
    fix="nn.init.kaiming_uniform_(down.weight)  # one of the two starts elsewhere\n"
    "nn.init.zeros_(up.weight)",
    atlas=("both_factors_zero",),
)

_FACTORS = {
    "Mul": (0, 1),
    "Mm": (0, 1),
    "Bmm": (0, 1),
    "Addmm": (1, 2),
    "Dot": (0, 1),
    "Mv": (0, 1),
}


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for a product both of whose factors got zeros in each backward pass."""
    passes = len(timeline.of(Kind.backward))
    for found in vanished(timeline):
        if not _both(found) or (not found.sure and found.passes < passes):
            continue
        names = timeline.names(found.leaves) or (timeline.name(found.leaves[0]),)
        yield CHECK.found(
            found.place,
            f"Both factors of `{found.name}` are zero here, and so are both gradients in "
            f"{found.passes} backward passes: {', '.join(names[:3])} cannot leave zero.",
            parameters=names,
            also=found.also,
            evidence=found.evidence,
        )


def _both(found: Vanished) -> bool:
    factors = _FACTORS.get(found.first.name.split("Backward")[0])
    if factors is None or not set(factors) <= set(found.first.detail["hit"]):
        return False
    return bool(set(found.first.inputs) & set(found.leaves))
