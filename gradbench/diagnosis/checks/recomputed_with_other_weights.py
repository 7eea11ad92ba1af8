"""A checkpointed segment that is recomputed with other weights."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.history import lines, named, often
from gradbench.diagnosis.timeline import Event, Kind, Timeline
from gradbench.diagnosis.writers import writers_of

CHECK = Check(
    id="GB326",
    title="Weights updated before a checkpointed segment is recomputed",
    severity=Severity.error,
    symptom="wrong",
    why=(
        "`checkpoint` runs its segment again within backward. With weights that were updated in "
        "between, it computes the gradient of another function than the loss came from."
    ),
    fix="loss.backward()\noptimizer.step()  # after backward",
    atlas=("updated_before_recomputation",),
    source="docs: torch.utils.checkpoint",
    sure_after=0,
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for segments that found other values in a leaf when they ran again."""
    groups: dict[Place, list[tuple[Event, Event, Event | None, tuple[int, ...]]]] = {}
    firsts: dict[int, Event] = {}
    for event in timeline.of(Kind.checkpoint):
        segment = event.detail["segment"]
        first = firsts.setdefault(segment, event)
        leaves = event.detail["changed"]
        if not event.detail["again"] or not leaves:
            continue
        write = next(writers_of(timeline, set(leaves), first.index, event.index), None)
        place = write.place if write is not None else first.place
        if place is not None:
            groups.setdefault(place, []).append((first, event, write, leaves))
    for place, group in groups.items():
        first, again, _, leaves = group[0]
        yield CHECK.found(
            place,
            f"{named(timeline, leaves)} changed between the forward pass and backward, which runs "
            f"the `checkpoint`ed segment again with the new values, {often(len(group))}.",
            parameters=timeline.names(leaves),
            also=lines((first, "checkpoint"), (again, "recomputed")),
            evidence={"times": len(group), "parameters": len(leaves)},
        )
