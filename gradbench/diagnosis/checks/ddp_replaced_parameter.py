"""A parameter that was replaced after DDP was built."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.reduction import Absence, unreduced
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB532",
    title="A parameter replaced after DDP was built",
    severity=Severity.error,
    symptom="error",
    why=(
        "DDP decides when it is built which gradients it will wait for: those of all "
        "parameters that require one then. It watches the old parameter. The new one is in no "
        "bucket, and of the old one no gradient comes."
    ),
    fix=(
        "with torch.no_grad():\n"
        "    layer.weight.copy_(value)  # change the values, keep the parameter"
    ),
    atlas=("replaced_after_ddp",),
    source="docs: torch.nn.parallel.DistributedDataParallel",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that the second iteration raises then."""
    found = unreduced(timeline)
    if found is None or found.absence is not Absence.replaced:
        return
    names = timeline.names(found.numbers)
    cause = found.cause.place if found.cause is not None else None
    yield CHECK.found(
        cause or found.built.place or found.raised.place,
        f"`DistributedDataParallel` waits for a gradient of {', '.join(names[:3]) or 'one'}, "
        "which was replaced here by another one, after DDP was built.",
        parameters=names,
        also=found.raised.also((found.built.place, "DDP built")),
        evidence={**found.raised.evidence, "parameters": len(found.numbers)},
    )
