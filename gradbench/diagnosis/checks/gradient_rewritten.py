"""Gradients that a step has rewritten, and that are read afterwards."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.history import Touch, histories, lines, named
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB340",
    title="`.grad` is read after a step that rewrote it",
    severity=Severity.warning,
    symptom="wrong",
    why=(
        "Some implementations, such as `SGD(nesterov=True, foreach=True)`, use the gradient's "
        "memory: after the step `.grad` holds the update, not the gradient."
    ),
    fix="norm = p.grad.norm()  # before the step\noptimizer.step()",
    atlas=("gradient_rewritten",),
    source="docs: torch.optim.SGD, fused; pt#92706",
    sure_after=1,
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for reads between a step that changed the gradient and the next backward."""
    scaled = {
        event.detail.get("optimizer")
        for event in timeline.of(Kind.scale)
        if event.name == "step" and event.detail["enabled"]
    }
    groups: dict[Place, list[tuple[int, Event]]] = {}
    for leaf, moments in histories(timeline).items():
        rewritten: Event | None = None
        for moment in moments:
            if moment.touch is Touch.stepped:
                mine = leaf in moment.event.detail["rewritten"]
                known = moment.event.detail["torch"]
                foreign = moment.event.detail["optimizer"] in scaled
                rewritten = moment.event if mine and known and not foreign else None
            elif moment.touch in (Touch.read, Touch.used) and rewritten is not None:
                if moment.event.place is not None and moment.event.index > rewritten.index:
                    groups.setdefault(moment.event.place, []).append((leaf, rewritten))
                    rewritten = None
            elif moment.touch is not Touch.clipped:
                rewritten = None
    for place, group in groups.items():
        leaves = list(dict.fromkeys(leaf for leaf, _ in group))
        step = group[0][1]
        yield CHECK.found(
            place,
            f"`.grad` of {named(timeline, leaves)} is read after `{step.name}.step()`, which has "
            "rewritten it in place: it is not the gradient any more.",
            parameters=timeline.names(leaves),
            also=lines((step, "step")),
            evidence={"reads": len(group), "parameters": len(leaves)},
        )
