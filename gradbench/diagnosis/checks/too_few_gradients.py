"""A custom function whose backward returns another number of gradients than it took arguments."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.raised import raised
from gradbench.diagnosis.timeline import Kind, Timeline

CHECK = Check(
    id="GB525",
    title="A backward that returns too few gradients",
    severity=Severity.error,
    symptom="error",
    why=(
        "`backward` of a custom `torch.autograd.Function` answers for each argument of `forward`, "
        "also for those that are no tensors: None for what has no gradient."
    ),
    fix="return grad * ctx.factor, None  # one for each argument of forward",
    atlas=("too_few_gradients",),
    source="docs: torch.autograd.Function.backward",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that backward raises then."""
    error = raised(timeline, "returned an incorrect number of gradients")
    if error is None:
        return
    name = re.search(r"function (\w+)Backward returned", error.message)
    counts = re.search(r"expected (\d+), got (\d+)", error.message)
    functions = [
        event for event in timeline.of(Kind.function) if name is None or event.name == name.group(1)
    ]
    applied = functions[-1] if functions else None
    line = applied.detail.get("lines", {}).get("backward") if applied is not None else None
    said = f"{counts.group(2)} where {counts.group(1)} are expected" if counts else "too few"
    yield CHECK.found(
        Place(*line) if line is not None else error.place,
        f"`backward` of {name.group(1) if name else 'a custom Function'} returns {said}: one for "
        "each argument of `forward`.",
        also=error.also((applied.place if applied is not None else None, "applied")),
        evidence=error.evidence,
    )
