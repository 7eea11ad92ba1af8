"""A parameter that takes no part in any loss."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.exports import exports_of
from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.flow import flow_of
from gradbench.diagnosis.lost import passes_of, said_of, unexplained
from gradbench.diagnosis.origin import makers
from gradbench.diagnosis.timeline import Kind, Timeline

CHECK = Check(
    id="GB118",
    title="A parameter that takes no part in the loss",
    severity=Severity.note,
    symptom="none",
    why=(
        "What took no part in the loss gets no gradient: `.grad` is None, not zeros, and the "
        "optimizer skips it. That is as it should be for an expert that was not chosen, and a "
        "fault where a layer was forgotten in `forward`."
    ),
    fix="gradient = torch.zeros_like(w) if w.grad is None else w.grad",
    atlas=("unused_parameter",),
    source="pt#68862",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for leaves that no loss depends on."""
    passes = passes_of(timeline)
    if not passes:
        return
    roots = flow_of(timeline).roots
    reached = {leaf for root in roots for leaf in root.live}
    cut = {leaf for root in roots for each in root.cuts for leaf in each.leaves}
    exported = {leaf for each in exports_of(timeline) for leaf in each.leaves}
    switched = {n for event in timeline.of(Kind.requires_grad) for n in event.outputs}
    replaced = {n for event in timeline.of(Kind.copy, Kind.gradient, Kind.functional)
                for n in (*event.inputs, *event.outputs)}  # fmt: skip
    groups: dict[Place, list[int]] = {}
    for leaf in unexplained(timeline):
        if leaf in reached | cut | exported | replaced | switched:
            continue
        place = _made_at(timeline, leaf)
        if place is not None:
            groups.setdefault(place, []).append(leaf)
    for place, leaves in groups.items():
        yield CHECK.found(
            place,
            f"{said_of(timeline, tuple(leaves), passes)}: no loss depends on it.",
            parameters=timeline.names(leaves),
            evidence={"parameters": len(leaves), "backward_passes": passes},
        )


def _made_at(timeline: Timeline, leaf: int) -> Place | None:
    return next((each.place for each in makers(timeline).get(leaf, ()) if each.place), None)
