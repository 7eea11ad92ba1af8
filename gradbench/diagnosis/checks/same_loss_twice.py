"""One loss that is gone through by backward twice."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.history import Touch, histories, lines, named, often
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB306",
    title="`backward` of the same loss twice: gradients are doubled",
    severity=Severity.warning,
    symptom="doubled",
    why=(
        "With `retain_graph=True` the second backward works, and adds the same gradient to "
        "`.grad` a second time."
    ),
    fix="loss.backward()  # once; or read gradients by torch.autograd.grad(loss, parameters)",
    atlas=("retained_and_added",),
    source="docs: torch.Tensor.backward",
    sure_after=0,
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for leaves that got the gradient of one root twice, and were not cleared between."""
    groups: dict[Place, list[tuple[Event, Event, list[int]]]] = {}
    for first, second in _twice(timeline):
        leaves = [
            leaf for leaf in second.detail["arrived"] if _added(timeline, leaf, first, second)
        ]
        if leaves and second.place is not None:
            groups.setdefault(second.place, []).append((first, second, leaves))
    for place, group in groups.items():
        first, second, leaves = group[0]
        root = timeline.name(second.detail["roots"][0])
        yield CHECK.found(
            place,
            f"This is the second backward through `{root}`, which `retain_graph=True` allowed: "
            f"the gradients of {named(timeline, leaves)} are added a second time, "
            f"{often(len(group))}{_factor(leaves, first, second)}.",
            parameters=timeline.names(leaves),
            also=lines((first, "first backward")),
            evidence={"times": len(group), "parameters": len(leaves)},
        )


def _twice(timeline: Timeline) -> Iterator[tuple[Event, Event]]:
    last: dict[int, Event] = {}
    for event in timeline.of(Kind.backward):
        roots = event.detail["roots"]
        if len(roots) != 1 or event.detail["failed"] or event.detail["root_leaf"]:
            continue
        if event.detail["value"] is None:
            # Of several numbers: each pass may weigh them in another way.
            continue
        if roots[0] in last:
            yield last[roots[0]], event
        last[roots[0]] = event


def _added(timeline: Timeline, leaf: int, first: Event, second: Event) -> bool:
    """Say whether what the first pass brought was still there, and not used, or was used twice."""
    if leaf not in first.detail["arrived"] or leaf in second.detail["fresh"]:
        return False
    between = [
        moment
        for moment in histories(timeline).get(leaf, ())
        if first.index < moment.event.index < second.index
    ]
    return not any(
        moment.touch in (Touch.cleared, Touch.assigned, Touch.written) for moment in between
    )


def _factor(leaves: list[int], first: Event, second: Event) -> str:
    before = dict(zip(first.detail["arrived"], first.detail["norms"], strict=False))
    after = dict(zip(second.detail["arrived"], second.detail["norms"], strict=False))
    leaf = leaves[0]
    if before.get(leaf, 0) > 0 and leaf in after:
        return f"; the norm of the first one's gradient is {after[leaf] / before[leaf]:.3g} fold"
    return ""
