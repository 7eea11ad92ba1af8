"""Running statistics that a checkpointed segment updates twice."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.history import lines, often
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB328",
    title="`BatchNorm` in a checkpointed segment counts each batch twice",
    severity=Severity.note,
    symptom="wrong",
    why=(
        "`checkpoint` runs its segment twice, and each run updates the running statistics: they "
        "move as if the momentum were larger. Gradients are right."
    ),
    fix="x = norm(x)  # outside of the checkpoint\nx = checkpoint(block, x, use_reentrant=False)",
    atlas=("statistics_counted_twice",),
    source="docs: torch.utils.checkpoint",
    sure_after=0,
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for segments with a batch normalisation in training mode that ran again."""
    groups: dict[Place, list[tuple[Event, Event]]] = {}
    firsts: dict[int, Event] = {}
    for event in timeline.of(Kind.checkpoint):
        first = firsts.setdefault(event.detail["segment"], event)
        if event.detail["again"] and event.detail["statistics"] and first.place is not None:
            groups.setdefault(first.place, []).append((first, event))
    for place, group in groups.items():
        yield CHECK.found(
            place,
            "The segment in `checkpoint` holds a `BatchNorm` in training mode: its running "
            f"statistics were updated in both runs, {often(len(group))}.",
            also=lines((group[0][1], "recomputed")),
            evidence={"times": len(group)},
        )
