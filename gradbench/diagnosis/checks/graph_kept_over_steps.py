"""A result of parameters that is computed once, and used in each step."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.reused import Way, reused
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB513",
    title="Computed once before the loop, differentiated in each step",
    severity=Severity.error,
    symptom="error",
    why=(
        "What is computed of a parameter has a graph. The first backward pass frees it, and the "
        "second one needs it again. It would be out of date as well: the parameter has moved."
    ),
    fix="for x, y in batches:\n    features = encoder(inputs)  # in each step, not before the loop",
    source="docs: torch.Tensor.backward",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that the second backward pass raises."""
    found = reused(timeline)
    if found is None or found.way is not Way.kept or found.number is None:
        return
    name = timeline.name(found.number)
    yield CHECK.found(
        found.place,
        f"{name} is computed once here and used in each step; its graph was freed by the first "
        "backward pass. Compute it within the loop, or `detach` it if it is to be a constant.",
        also=found.raised.also(
            (found.use.place if found.use is not None else None, "used again"),
            (found.freed.place if found.freed is not None else None, "first backward"),
        ),
        evidence=found.raised.evidence,
    )
