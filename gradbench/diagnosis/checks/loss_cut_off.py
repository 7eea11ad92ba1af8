"""A loss whose history ends at an operator."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.timeline import Timeline
from gradbench.diagnosis.unrecorded import Reason, Unrecorded, unrecorded

CHECK = Check(
    id="GB506",
    title="A loss that is cut off from every parameter",
    severity=Severity.error,
    symptom="error",
    why=(
        "The operator returns a tensor without history: `detach` and `.data` do so, what "
        "becomes a number or an array does (`item`, `numpy`, `torch.tensor(…)`), and what has "
        "no derivative does (`argmax`, comparisons, `round` to integers)."
    ),
    fix=(
        "loss = criterion(model(x), y)  # a tensor all the way: no detach, item, numpy, argmax\n"
        "loss.backward()"
    ),
    atlas=(),
    source="docs: torch.Tensor.detach",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that backward raises then."""
    lost = unrecorded(timeline)
    if lost is None or lost.reason not in (Reason.cut, Reason.numbers):
        return
    yield CHECK.found(
        lost.place,
        f"PyTorch raised “{lost.raised.first}”: {_says(lost)}",
        parameters=timeline.names(lost.leaves),
        also=lost.raised.also((lost.cut.place if lost.cut is not None else None, "cut")),
        evidence=lost.raised.evidence,
    )


def _says(lost: Unrecorded) -> str:
    if lost.reason is Reason.numbers:
        return (
            "the loss was made of numbers: a tensor became one here "
            f"(`{lost.cause.name if lost.cause is not None else 'item'}`), and its history ended."
        )
    name = lost.cause.name if lost.cause is not None else "detach"
    said = ".data" if name == "data" else name
    return f"`{said}` returns a tensor without history here, and the loss depends on it alone."
