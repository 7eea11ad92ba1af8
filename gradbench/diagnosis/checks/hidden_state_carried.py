"""A result of the step before that goes into this one with its history."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.reused import Way, reused
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB512",
    title="A state carried from step to step with its history",
    severity=Severity.error,
    symptom="error",
    why=(
        "The new loss depends on the state, and through it on the graph of the step before. That "
        "graph was freed by its own backward pass. With `retain_graph=True` it would grow longer "
        "with each step."
    ),
    fix="hidden = hidden.detach()  # between two steps\noutput, hidden = model(x, hidden)",
    atlas=("hidden_state_carried",),
    source="docs: torch.Tensor.detach",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that the second backward pass raises."""
    found = reused(timeline)
    if found is None or found.way is not Way.carried or found.number is None:
        return
    name = timeline.name(found.number)
    yield CHECK.found(
        found.place,
        f"{name} of the step before is used again here with its history, a hidden state that was "
        "not detached: the backward pass that made it has freed its graph. Call `detach` between "
        "the steps.",
        also=found.raised.also(
            (found.made.place if found.made is not None else None, "made"),
            (found.freed.place if found.freed is not None else None, "first backward"),
        ),
        evidence=found.raised.evidence,
    )
