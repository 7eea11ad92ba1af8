"""Gradients that were switched off and never on again."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.timeline import Timeline
from gradbench.diagnosis.unrecorded import Reason, unrecorded

CHECK = Check(
    id="GB502",
    title="`torch.set_grad_enabled(False)` called and never undone",
    severity=Severity.error,
    symptom="error",
    why=(
        "Called as a function, `torch.set_grad_enabled(False)` stays in force until the next "
        "call. All that runs later, training included, is not recorded."
    ),
    fix=("with torch.set_grad_enabled(False):  # or torch.no_grad(): a block ends\n    evaluate()"),
    atlas=("grad_left_disabled",),
    source="docs: torch.set_grad_enabled",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that backward raises then."""
    lost = unrecorded(timeline)
    if lost is None or lost.reason is not Reason.left_off:
        return
    yield CHECK.found(
        lost.place,
        f"PyTorch raised “{lost.raised.first}”: "
        "gradients were switched off here by `set_grad_enabled(False)` and never on again.",
        parameters=timeline.names(lost.leaves),
        also=lost.raised.also((lost.cut.place if lost.cut is not None else None, "cut")),
        evidence=lost.raised.evidence,
    )
