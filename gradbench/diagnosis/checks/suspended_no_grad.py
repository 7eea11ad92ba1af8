"""A generator that is suspended inside of `no_grad`."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.timeline import Timeline
from gradbench.diagnosis.unrecorded import Reason, unrecorded

CHECK = Check(
    id="GB503",
    title="A generator that yields inside `with torch.no_grad()`",
    severity=Severity.error,
    symptom="error",
    why=(
        "Grad mode belongs to the thread, not to the function. While a generator is suspended "
        "within its `with torch.no_grad()`, the loop that consumes it runs without gradients, "
        "too."
    ),
    fix=(
        "for batch in source:\n"
        "    with torch.no_grad():\n"
        "        x = prepare(batch)\n"
        "    yield x  # after the block"
    ),
    atlas=("no_grad_in_generator",),
    source="pt#49017",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that backward raises then."""
    lost = unrecorded(timeline)
    if lost is None or lost.reason is not Reason.suspended:
        return
    yield CHECK.found(
        lost.place,
        f"PyTorch raised “{lost.raised.first}”: "
        f"`{lost.place.function}` is suspended inside of its `no_grad` while the loop that "
        "uses it trains.",
        parameters=timeline.names(lost.leaves),
        also=lost.raised.also((lost.cut.place if lost.cut is not None else None, "cut")),
        evidence=lost.raised.evidence,
    )
