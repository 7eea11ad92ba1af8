"""Gradients that are cleared between backward and the step."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.history import Touch, histories, lines, named, often
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB303",
    title="`zero_grad` between `backward` and `step`",
    severity=Severity.error,
    symptom="lost",
    why=(
        "The step finds no gradient, or zeros, and leaves every parameter where it is (or lets "
        "momentum and weight decay move it). What backward computed is lost."
    ),
    fix="optimizer.zero_grad()\nloss.backward()\noptimizer.step()",
    atlas=("zeroed_before_step",),
    source="docs: torch.optim.Optimizer.zero_grad",
    sure_after=1,
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for steps that found none of the gradients which backward had brought."""
    found: dict[Place, list[tuple[Event, Event, Event, list[int]]]] = {}
    for step in timeline.of(Kind.step):
        lost = _lost(timeline, step)
        if lost is not None and lost[0].place is not None:
            found.setdefault(lost[0].place, []).append((*lost[:2], step, lost[2]))
    for place, group in found.items():
        _, backward, step, leaves = group[0]
        yield CHECK.found(
            place,
            f"`zero_grad` clears the gradients of {named(timeline, leaves)} after `backward` and "
            f"before the step, {often(len(group))}: the step has nothing to use.",
            parameters=timeline.names(leaves),
            also=lines((backward, "backward"), (step, "step")),
            evidence={"times": len(group), "parameters": len(leaves)},
        )


def _lost(timeline: Timeline, step: Event) -> tuple[Event, Event, list[int]] | None:
    """Return the clear, the backward and the leaves, if a step found nothing that arrived."""
    empty = {*step.detail["none"], *step.detail["zero"]}
    leaves: list[int] = []
    last: tuple[Event, Event] | None = None
    for leaf in step.detail["held"]:
        backward = clear = None
        for moment in histories(timeline).get(leaf, ()):
            if moment.event is step:
                break
            if moment.touch is Touch.arrived:
                if leaf not in moment.event.detail["nonfinite"]:
                    backward, clear = moment.event, None
            elif moment.touch is Touch.cleared:
                clear = moment.event
            elif moment.touch in _USED:
                backward = clear = None
        if backward is None or _frozen(timeline, leaf, step):
            continue
        if leaf not in empty or clear is None:
            return None
        if leaf not in backward.detail["zero"]:
            leaves.append(leaf)
            last = clear, backward
    return (*last, leaves) if last is not None else None


def _frozen(timeline: Timeline, leaf: int, step: Event) -> bool:
    """Say whether a leaf was frozen by then: no gradient of it was wanted."""
    set_ = [
        event
        for event in timeline.of(Kind.requires_grad)
        if event.index < step.index and leaf in event.outputs
    ]
    return bool(set_) and not set_[-1].detail["value"]


_USED = (Touch.stepped, Touch.missed, Touch.skipped, Touch.moved)
