"""A prediction of (n, 1) that meets a target of (n,)."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.broadcast import crossings
from gradbench.diagnosis.finding import Also, Check, Finding, Severity
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB420",
    title="Prediction and target of different shapes",
    severity=Severity.error,
    symptom="wrong",
    why=(
        "(n, 1) against (n,) broadcasts to (n, n): each prediction meets each target, and the loss "
        "is least where all predictions are the mean of the targets."
    ),
    fix="loss = criterion(model(x).squeeze(-1), y)  # one shape for both; or y.unsqueeze(1)",
    atlas=("loss_broadcast",),
    source="docs: notes/broadcasting",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for a loss, or a difference that becomes one, of tensors that broadcast."""
    for crossing in crossings(timeline):
        a, b = (tuple(shape) for shape in crossing.shapes)
        both = tuple(crossing.result)
        backward = crossing.backward
        yield CHECK.found(
            crossing.place,
            f"`{crossing.event.name}` of a tensor of shape {a} and one of shape {b} broadcasts "
            f"to {both}: each prediction meets each target, in {crossing.times} forward passes.",
            parameters=timeline.names(crossing.event.inputs[:2]),
            also=(Also(backward.place, "backward"),) if backward.place is not None else (),
            evidence={"shape": list(a), "other_shape": list(b), "broadcast": list(both)},
            severity=Severity.error if crossing.certain else Severity.warning,
        )
