"""Gradients that are clipped after the step, or before backward."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.history import Touch, histories, lines, named, often
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB310",
    title="Gradients are clipped after the step has used them",
    severity=Severity.error,
    symptom="lost",
    why=(
        "Clipping changes `.grad`. After the step nobody uses it any more: the step was taken with "
        "the unclipped gradients."
    ),
    fix=(
        "loss.backward()\ntorch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)\noptimizer.step()"
    ),
    atlas=(),
    source="docs: torch.nn.utils.clip_grad_norm_",
    sure_after=1,
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for clips of gradients that a step has used, or that are not there yet."""
    groups: dict[tuple[Place, str], list[tuple[Event, Event]]] = {}
    in_time: set[Place | None] = set()
    for clip in timeline.of(Kind.clip):
        if clip.place is None or clip.detail["limit"] in (None, float("inf")):
            continue
        state = [_before(timeline, leaf, clip) for leaf in clip.outputs]
        steps = [each for each in state if each is not None and each.kind is Kind.step]
        if clip.detail["clipped"] and steps and all(each in steps for each in state if each):
            groups.setdefault((clip.place, "after"), []).append((clip, steps[0]))
        elif not clip.detail["clipped"] and clip.outputs:
            step = _used_without(timeline, clip)
            if step is not None:
                groups.setdefault((clip.place, "before"), []).append((clip, step))
        else:
            in_time.add(clip.place)
    for (place, when), group in groups.items():
        if place in in_time or (when == "before" and len(group) < 2):
            continue
        clip, step = group[0]
        norm = clip.detail["norm"]
        said = (
            "" if norm is None else f" Its norm was {norm:.3g}, the limit {clip.detail['limit']:g}."
        )
        what = (
            f"after the step has used them, {often(len(group))}"
            if when == "after"
            else f"before `backward` has brought any, {often(len(group))}"
        )
        leaves = clip.outputs
        yield CHECK.found(
            place,
            f"`{clip.name}` clips the gradients of {named(timeline, leaves)} {what}: the steps are "
            f"taken with gradients that are not clipped.{said if when == 'after' else ''}",
            parameters=timeline.names(leaves),
            also=lines((step, "step")),
            evidence={"times": len(group), "norm": norm, "limit": clip.detail["limit"]},
        )


def _before(timeline: Timeline, leaf: int, clip: Event) -> Event | None:
    """Return the last thing that happened to a gradient before it was clipped."""
    last = None
    for moment in histories(timeline).get(leaf, ()):
        if moment.event is clip:
            return last
        if moment.touch in _CHANGES:
            last = moment.event
    return last


def _used_without(timeline: Timeline, clip: Event) -> Event | None:
    """Return the next step with gradients that arrived after a clip, and were never clipped."""
    for leaf in clip.outputs:
        arrived = False
        started = False
        for moment in histories(timeline).get(leaf, ()):
            if moment.event is clip:
                started = True
            elif started and moment.touch is Touch.arrived:
                arrived = True
            elif started and moment.touch is Touch.clipped:
                break
            elif started and arrived and moment.touch is Touch.stepped:
                return moment.event
    return None


_CHANGES = (Touch.arrived, Touch.cleared, Touch.assigned, Touch.written, Touch.stepped)
