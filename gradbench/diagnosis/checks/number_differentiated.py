"""`backward()` of a number of Python or NumPy."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.raised import raised
from gradbench.diagnosis.timeline import Kind, Timeline

CHECK = Check(
    id="GB539",
    title="`backward()` of a number",
    severity=Severity.error,
    symptom="error",
    why=(
        "`item()`, `float(…)` and `numpy()` return numbers, which have no history and no "
        "`backward`. The loss must stay a tensor until backward has run."
    ),
    fix="loss = criterion(output, target)\nloss.backward()\ntotal += loss.item()  # afterwards",
    source="docs: torch.Tensor.item",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that Python raises then."""
    error = raised(timeline, "object has no attribute 'backward'", kind="AttributeError")
    if error is None:
        return
    exports = [
        event
        for event in timeline.of(Kind.export)
        if event.index < error.event.index and event.live and event.place is not None
    ]
    last = exports[-1] if exports else None
    by = f"`{last.name}` made a number of it here" if last is not None else "it is no tensor"
    yield CHECK.found(
        last.place if last is not None and last.place is not None else error.place,
        f"Python raised “{error.first}”: {by}, and a number has no history.",
        also=error.also(),
        evidence=error.evidence,
    )
