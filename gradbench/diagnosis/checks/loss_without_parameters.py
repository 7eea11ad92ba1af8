"""A loss that depends on no leaf that requires a gradient."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.timeline import Timeline
from gradbench.diagnosis.unrecorded import Reason, Unrecorded, unrecorded

CHECK = Check(
    id="GB507",
    title="A loss that depends on nothing that requires a gradient",
    severity=Severity.error,
    symptom="error",
    why=(
        "Backward needs a leaf that requires a gradient: an `nn.Parameter`, or a tensor with "
        "`requires_grad=True`. Frozen parameters and plain tensors are none."
    ),
    fix=(
        "for parameter in head.parameters():\n"
        "    parameter.requires_grad_(True)  # what is to be trained"
    ),
    atlas=(),
    source="docs: torch.Tensor.requires_grad",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that backward raises then."""
    lost = unrecorded(timeline)
    if lost is None or lost.reason not in (Reason.frozen, Reason.never):
        return
    yield CHECK.found(
        lost.place,
        f"PyTorch raised “{lost.raised.first}”: {_says(timeline, lost)}",
        parameters=timeline.names(lost.leaves),
        also=lost.raised.also((lost.cut.place if lost.cut is not None else None, "cut")),
        evidence=lost.raised.evidence,
    )


def _says(timeline: Timeline, lost: Unrecorded) -> str:
    names = timeline.names(lost.leaves)
    if lost.reason is Reason.frozen:
        more = f" and {len(names) - 2} more" if len(names) > 2 else ""
        return (
            f"all that the loss depends on is frozen: {', '.join(names[:2])}{more} by "
            "`requires_grad_(False)`, last here."
        )
    return "nothing that the loss depends on has `requires_grad=True`."
