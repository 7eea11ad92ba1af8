"""Steps that moved nothing although there was a gradient."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.history import lines, named, often
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB319",
    title="A step with a gradient that moves nothing",
    severity=Severity.error,
    symptom="lost",
    why=(
        "The gradient is not zero and neither is the learning rate, and the parameter is the same "
        "after the step. With sparse gradients of one row of one element the addition is lost."
    ),
    fix="table = nn.Embedding(n, 1)  # without sparse=True",
    atlas=("sparse_row_lost",),
    source="docs: torch.nn.Embedding; pt#17950",
    sure_after=1,
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for sparse gradients that a step of PyTorch's own did not use."""
    groups: dict[Place, list[tuple[int, Event]]] = {}
    for step in timeline.of(Kind.step):
        if not step.detail["torch"] or not all(step.detail["lr"]):
            continue
        for leaf in set(step.detail["sparse"]) & set(step.detail["unmoved"]):
            place = _made(timeline, leaf) or step.place
            if place is not None:
                groups.setdefault(place, []).append((leaf, step))
    for place, group in groups.items():
        leaves = list(dict.fromkeys(leaf for leaf, _ in group))
        step = group[0][1]
        yield CHECK.found(
            place,
            f"{named(timeline, leaves)} got a sparse gradient that is not zero, and `{step.name}` "
            f"with lr={step.detail['lr'][0]:g} did not move it, {often(len(group))}.",
            parameters=timeline.names(leaves),
            also=lines((step, "step")),
            evidence={"times": len(group), "lr": step.detail["lr"][0]},
        )


def _made(timeline: Timeline, leaf: int) -> Place | None:
    return next(
        (event.place for event in timeline.of(Kind.parameter) if leaf in event.outputs), None
    )
