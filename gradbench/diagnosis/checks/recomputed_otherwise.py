"""A checkpointed segment whose second run differs."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.raised import raised
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB548",
    title="A checkpointed segment that runs otherwise the second time",
    severity=Severity.error,
    symptom="error",
    why=(
        "`checkpoint` runs the segment again in backward and expects the same operators and "
        "shapes. What depends on a counter, on a cache, on random numbers drawn elsewhere or "
        "on grad mode does not repeat."
    ),
    fix="# make the segment a pure function of its inputs: move counters and caches out of it",
    atlas=(),
    source="docs: torch.utils.checkpoint",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that PyTorch raises there."""
    error = raised(
        timeline,
        "A different number of tensors was saved during the original forward and recomputation",
        "Recomputed values for the following tensors have different metadata",
    )
    if error is None:
        return
    yield CHECK.found(
        error.place,
        f"PyTorch raised “{error.first}”: "
        "the segment in `checkpoint` did other things when it ran again in backward.",
        also=error.also(),
        evidence=error.evidence,
    )
