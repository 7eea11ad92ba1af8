"""An in-place write to a leaf in a thread that has gradients on."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.raised import raised
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB518",
    title="An update in another thread than the `no_grad`",
    severity=Severity.error,
    symptom="error",
    why=(
        "Grad mode belongs to a thread. A new thread starts with gradients on, whatever the "
        "thread that started it has switched off."
    ),
    fix=(
        "def update():\n    with torch.no_grad():  # within the thread\n        w.sub_(lr * w.grad)"
    ),
    atlas=("no_grad_in_thread",),
    source="docs: torch.no_grad",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that PyTorch raises there."""
    error = raised(
        timeline, "a leaf Variable that requires grad is being used in an in-place operation"
    )
    if error is None or not error.event.detail.get("thread"):
        return
    yield CHECK.found(
        error.place,
        f"PyTorch raised “{error.first}”: "
        "the write ran in another thread, where `no_grad` of this one is not in force.",
        also=error.also(),
        evidence=error.evidence,
    )
