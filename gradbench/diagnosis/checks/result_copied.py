"""`deepcopy` of a tensor that has a history."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.raised import raised
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB535",
    title="`deepcopy` of a result of operators",
    severity=Severity.error,
    symptom="error",
    why=(
        "`copy.deepcopy` copies leaves only: a copied result would need a copy of its "
        "history. A module that keeps a result as an attribute, such as a hidden state or the "
        "last loss, cannot be copied."
    ),
    fix="self.hidden = hidden.detach()  # what a module keeps has no history",
    atlas=(),
    source="docs: torch.Tensor",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that PyTorch raises there."""
    error = raised(timeline, "Only Tensors created explicitly by the user")
    if error is None:
        return
    yield CHECK.found(
        error.place,
        f"PyTorch raised “{error.first}”: "
        "a tensor with a history is kept where `deepcopy` finds it; keep it detached, with "
        "`detach()`.",
        also=error.also(),
        evidence=error.evidence,
    )
