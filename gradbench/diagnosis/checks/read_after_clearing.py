"""Gradients that are read after they were cleared."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.history import call_line, leaf_of_gradient, lines, named, often
from gradbench.diagnosis.source import is_shown
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB307",
    title="`.grad` is read after `zero_grad`",
    severity=Severity.warning,
    symptom="none",
    why=(
        "`zero_grad` sets gradients to None, or fills them with zeros with `set_to_none=False`. "
        "A statistic that is taken afterwards finds nothing."
    ),
    fix=(
        "loss.backward()\nnorm = model.weight.grad.norm()  # between backward and zero_grad\n"
        "optimizer.step()\noptimizer.zero_grad()"
    ),
    atlas=("read_after_zeroing",),
    source="pt#92731, tutorials#2219",
    sure_after=0,
)

Reading = tuple[Event, Event, Event | None]


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for lines that find None or zeros where a gradient had been."""
    cleared: dict[int, Event] = {}
    arrived: dict[int, Event] = {}
    none: dict[Place, list[tuple[int, Reading]]] = {}
    zeros: dict[Place, list[tuple[int, Reading]]] = {}
    full: set[Place] = set()
    reads: dict[int, Event] = {}
    for event in timeline.events:
        if event.kind is Kind.clear:
            for leaf in event.detail["cleared"]:
                if leaf in arrived:
                    cleared[leaf] = event
        elif event.kind is Kind.backward:
            for leaf in event.detail["arrived"]:
                arrived[leaf] = event
                cleared.pop(leaf, None)
        elif event.kind is Kind.grad_write and not event.detail["none"]:
            cleared.pop(event.inputs[0], None)
        elif event.place is None:
            continue
        elif event.kind is Kind.grad_read and event.detail["none"]:
            leaf = event.inputs[0]
            clear = cleared.get(leaf)
            if event.detail["use"] == "used" and clear and clear.place != event.place:
                none.setdefault(event.place, []).append((leaf, (event, clear, arrived[leaf])))
        elif event.kind is Kind.grad_read:
            reads[event.inputs[0]] = event
        elif event.kind is Kind.write and event.detail.get("gradients_of"):
            for leaf in event.detail["gradients_of"]:
                cleared.pop(leaf, None)
        elif event.kind in (Kind.op, Kind.export) and event.name in _STATISTICS:
            for leaf in filter(None.__ne__, (leaf_of_gradient(timeline, n) for n in event.inputs)):
                if leaf in cleared and not cleared[leaf].detail["to_none"]:
                    zeros.setdefault(event.place, []).append(
                        (leaf, (reads.get(leaf, event), cleared[leaf], arrived[leaf]))
                    )
                else:
                    full.add(event.place)
    for place, group in none.items():
        yield _found(timeline, place, group, "None", "none")
    for place, group in zeros.items():
        if place not in full and len({reading[0].step for _, reading in group}) > 1:
            yield _found(timeline, place, group, "zeros", "zero")


def _found(
    timeline: Timeline, place: Place, group: list[tuple[int, Reading]], what: str, symptom: str
) -> Finding:
    leaves = list(dict.fromkeys(leaf for leaf, _ in group))
    shown = all(is_shown(event.place) for _, (event, *_) in group if event.place is not None)
    _, (_, clear, backward) = group[0]
    return CHECK.found(
        call_line(group[0][1][0], clear) or place,
        f"`.grad` of {named(timeline, leaves)} is read here as {what}, {often(len(group))}: "
        "`zero_grad` has cleared what `backward` had brought.",
        parameters=timeline.names(leaves),
        also=lines((backward, "backward"), (clear, "cleared")),
        evidence={"times": len(group), "parameters": len(leaves)},
        symptom=symptom,
        severity=Severity.note if shown else CHECK.severity,
    )


_STATISTICS = frozenset(
    {"norm", "vector_norm", "linalg_vector_norm", "linalg_norm", "abs", "mean", "sum", "std",
     "var", "max", "min", "amax", "pow", "square", "item", "tolist", "numpy", "__repr__",
     "__format__", "histc", "quantile", "median", "dot"}
)  # fmt: skip
