"""Gradients that are not cleared between two steps."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.history import Touch, histories, lines, named, often
from gradbench.diagnosis.stale import Stale, is_use, stale_gradients
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB301",
    title="Gradients are not cleared between steps: no `zero_grad`",
    severity=Severity.error,
    symptom="doubled",
    why=(
        "`backward` adds to `.grad`. What is not cleared by `zero_grad` after a step is still "
        "there, and the next step uses the sum of all gradients so far."
    ),
    fix="optimizer.zero_grad()\nloss.backward()\noptimizer.step()",
    atlas=("never_zeroed",),
    source="docs: torch.Tensor.backward",
    sure_after=2,
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for gradients that a step used and that were added to without being cleared."""
    groups: dict[tuple[Place | None, Place | None], list[Stale]] = {}
    for stale in stale_gradients(timeline).values():
        if others_cleared(timeline, stale) is None:
            groups.setdefault((stale.added.place, stale.again.place), []).append(stale)
    for group in groups.values():
        first = group[0]
        place = first.added.place or first.again.place
        if place is None:
            continue
        leaves = [each.leaf for each in group]
        times = max(each.times for each in group)
        yield CHECK.found(
            place,
            f"{named(timeline, leaves)}: `backward` adds to the gradient that the step before has "
            f"already used, {often(times)}: no `zero_grad` cleared it. "
            f"Its norm grew from {first.norms[0]:.3g} to {first.norms[1]:.3g}.",
            parameters=timeline.names(leaves),
            also=lines((first.added, "backward"), (first.again, "step")),
            evidence={
                "times": times,
                "parameters": len(group),
                "norm_first": first.norms[0],
                "norm_last": first.norms[1],
            },
        )
    yield from _added_up(timeline)


def others_cleared(timeline: Timeline, stale: Stale) -> Event | None:
    """Return what cleared other leaves that the same backward reached, between the two steps."""
    added = set(stale.added.detail["arrived"])
    for event in timeline.events[:]:
        if event.kind is Kind.clear and stale.used.index < event.index < stale.added.index:
            cleared = event.detail.get("held", event.detail["cleared"])
            if stale.leaf not in cleared and added & set(event.detail["cleared"]):
                return event
    return None


def _added_up(timeline: Timeline) -> Iterator[Finding]:
    """Note gradients that are only added up, where nothing ever steps."""
    if timeline.of(Kind.step, Kind.scale):
        return
    groups: dict[Place, list[int]] = {}
    times = 0
    for leaf, moments in histories(timeline).items():
        if any(is_use(each) or each.touch in _HANDLED for each in moments):
            continue
        added = [
            each.event
            for each in moments
            if each.touch is Touch.arrived and leaf not in each.event.detail["fresh"]
        ]
        roots = {root for each in moments if each.touch is Touch.arrived
                 for root in each.event.detail["roots"]}  # fmt: skip
        if added and added[0].place is not None and len(roots) > 1:
            groups.setdefault(added[0].place, []).append(leaf)
            times = max(times, len(added))
    for place, leaves in groups.items():
        yield CHECK.found(
            place,
            f"{named(timeline, leaves)}: {times + 1} backward passes add up in `.grad`, and no "
            "`zero_grad` comes in between.",
            parameters=timeline.names(leaves),
            evidence={"times": times, "parameters": len(leaves)},
            severity=Severity.note,
        )


_HANDLED = (Touch.cleared, Touch.assigned, Touch.written)
