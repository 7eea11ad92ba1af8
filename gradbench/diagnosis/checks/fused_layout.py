"""Fused steps with memory that is laid out otherwise than the kernel assumes."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.history import lines, named, often
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB341",
    title="`fused=True` with a gradient or parameter in another memory layout",
    severity=Severity.error,
    symptom="wrong",
    why=(
        "The fused kernel of the CPU walks through memory from the first element on. A gradient "
        "with other strides than its parameter is added in the wrong order, and a parameter with "
        "gaps, such as a column of a matrix, is written into the gaps."
    ),
    fix="w.grad = gradient.contiguous()\n# or\ntorch.optim.SGD([w], lr=0.1, foreach=True)",
    atlas=("transposed_gradient", "strided_parameter"),
    source="docs: torch.optim.SGD, fused; pt#106951",
    sure_after=1,
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for fused steps of gradients with other strides, and of parameters with gaps."""
    groups: dict[tuple[Place, str], list[tuple[int, Event]]] = {}
    for step in timeline.of(Kind.step):
        fused = any(options.get("fused") for options in step.detail["options"])
        if not fused or not step.detail["torch"]:
            continue
        for leaf in step.detail["layouts"]:
            if leaf in step.detail["gaps"]:
                continue
            place = _assigned(timeline, leaf, step) or step.place
            if place is not None:
                groups.setdefault((place, "layout"), []).append((leaf, step))
        for leaf in step.detail["gaps"]:
            place = _built(timeline, leaf) or step.place
            if place is not None:
                groups.setdefault((place, "gaps"), []).append((leaf, step))
    for (place, what), group in groups.items():
        leaves = list(dict.fromkeys(leaf for leaf, _ in group))
        step = group[0][1]
        said = (
            f"the gradient of {named(timeline, leaves)} has other strides than its parameter"
            if what == "layout"
            else f"{named(timeline, leaves)} has gaps in memory (a column, or a slice)"
        )
        yield CHECK.found(
            place,
            f"`{step.name}` with `fused=True` ignores strides, and {said}: the step writes wrong "
            f"elements, {often(len(group))}.",
            parameters=timeline.names(leaves),
            also=lines((step, "step")),
            evidence={"times": len(group), "parameters": len(leaves)},
            atlas="transposed_gradient" if what == "layout" else "strided_parameter",
        )


def _assigned(timeline: Timeline, leaf: int, step: Event) -> Place | None:
    writes = [
        event
        for event in timeline.of(Kind.grad_write)
        if event.index < step.index and leaf in event.inputs and not event.detail["none"]
    ]
    return writes[-1].place if writes else None


def _built(timeline: Timeline, leaf: int) -> Place | None:
    return next(
        (event.place for event in timeline.of(Kind.optimizer) if leaf in event.detail["held"]), None
    )
