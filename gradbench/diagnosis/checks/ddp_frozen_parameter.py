"""A parameter that was frozen after DDP was built."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.reduction import Absence, unreduced
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB531",
    title="`requires_grad_(False)` after DDP was built",
    severity=Severity.error,
    symptom="error",
    why=(
        "DDP decides when it is built which gradients it will wait for: those of all "
        "parameters that require one then. One that is frozen later is still waited for."
    ),
    fix=(
        "module.head.requires_grad_(False)\n"
        "model = DistributedDataParallel(module)  # after freezing"
    ),
    atlas=("frozen_after_ddp",),
    source="docs: torch.nn.parallel.DistributedDataParallel",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that the second iteration raises then."""
    found = unreduced(timeline)
    if found is None or found.absence is not Absence.frozen:
        return
    names = timeline.names(found.numbers)
    cause = found.cause.place if found.cause is not None else None
    yield CHECK.found(
        cause or found.built.place or found.raised.place,
        f"`DistributedDataParallel` waits for a gradient of {', '.join(names[:3]) or 'one'}, "
        "which was frozen here with `requires_grad_(False)`, after DDP was built.",
        parameters=names,
        also=found.raised.also((found.built.place, "DDP built")),
        evidence={**found.raised.evidence, "parameters": len(found.numbers)},
    )
