"""A softmax or a normalisation over a single element."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.timeline import Timeline
from gradbench.diagnosis.vanishing import Vanished, vanished

CHECK = Check(
    id="GB415",
    title="A softmax or a normalisation over one element",
    severity=Severity.warning,
    symptom="zero",
    why=(
        "A softmax over one element is 1, whatever the element is; one element less its mean is 0. "
        "The result is constant, and all that is before it gets zeros."
    ),
    fix="p = torch.sigmoid(logit)  # for one logit; or softmax over the dimension that has several",
    source="docs: torch.nn.functional.softmax",
    sure_after=3,
)

_SOFTMAXES = ("softmax", "log_softmax", "cross_entropy", "softmin")


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for a softmax over one element that made zeros in each backward pass."""
    for found in vanished(timeline):
        size = _size(timeline, found)
        if not found.sure or size != 1:
            continue
        names = timeline.names(found.leaves)
        yield CHECK.found(
            found.place,
            f"`{found.name}` runs over a dimension of one element here: its result is constant, "
            f"and {', '.join(names[:3])} got zeros in {found.passes} backward passes.",
            parameters=names,
            also=found.also,
            evidence={**found.evidence, "size": size},
        )


def _size(timeline: Timeline, found: Vanished) -> int | None:
    """Return the size of the dimension that is normalised; None where it is not known."""
    if not found.first.inputs:
        return None
    shape = timeline.tensors[found.first.inputs[0]].shape
    if not shape:
        return None
    if found.name in _SOFTMAXES:
        return shape[1] if found.name == "cross_entropy" and len(shape) > 1 else shape[-1]
    return shape[-1] if found.name == "layer_norm" else None
