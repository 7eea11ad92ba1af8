"""A parameter that DDP waits for and that is not used."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.reduction import Absence, unreduced
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB530",
    title="DDP with a parameter that takes no part",
    severity=Severity.error,
    symptom="error",
    why=(
        "DDP decides when it is built which gradients it will wait for: those of all "
        "parameters that require one then. Of one that is not used none comes, the reduction "
        "does not end, and the next iteration raises."
    ),
    fix=(
        "model = DistributedDataParallel(module, find_unused_parameters=True)\n"
        "# or leave what is not used out of the module"
    ),
    atlas=("unused_in_ddp",),
    source="pt#43259",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that the second iteration raises then."""
    found = unreduced(timeline)
    if found is None or found.absence is not Absence.unused:
        return
    names = timeline.names(found.numbers)
    cause = found.cause.place if found.cause is not None else None
    yield CHECK.found(
        cause or found.built.place or found.raised.place,
        f"`DistributedDataParallel` waits for a gradient of {', '.join(names[:3]) or 'one'}, "
        "which is made here and takes no part in the loss; give `find_unused_parameters=True`.",
        parameters=names,
        also=found.raised.also((found.built.place, "DDP built")),
        evidence={**found.raised.evidence, "parameters": len(found.numbers)},
    )
