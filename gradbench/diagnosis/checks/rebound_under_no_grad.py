"""An update under `no_grad` that makes a new tensor instead of writing the leaf."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.timeline import Timeline
from gradbench.diagnosis.unrecorded import Reason, unrecorded

CHECK = Check(
    id="GB504",
    title="A parameter rebound to the result of its update",
    severity=Severity.error,
    symptom="error",
    why=(
        "`w = w - lr * w.grad` makes a new tensor and binds the name to it. Under `no_grad` "
        "that one has no history and requires no gradient: it is a constant, and the "
        "parameter stays as it was."
    ),
    fix="with torch.no_grad():\n    w -= lr * w.grad  # in place: w.sub_(lr * w.grad)",
    atlas=("rebind_under_no_grad",),
    source="docs: torch.no_grad",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that backward raises then."""
    lost = unrecorded(timeline)
    if lost is None or lost.reason is not Reason.rebound:
        return
    yield CHECK.found(
        lost.place,
        f"PyTorch raised “{lost.raised.first}”: "
        "the name was rebound here to a new tensor without history, instead of an update in "
        "place.",
        parameters=timeline.names(lost.leaves),
        also=lost.raised.also((lost.cut.place if lost.cut is not None else None, "cut")),
        evidence=lost.raised.evidence,
    )
