"""The result of an update that is bound to a name and thrown away."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.history import named, often
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB241",
    title="`for p in parameters: p = p - lr * p.grad` changes nothing",
    severity=Severity.error,
    symptom="lost",
    why=(
        "The assignment binds the loop's name to a new tensor, which is thrown away at "
        "the next turn. The parameter itself is never written; write into it in place."
    ),
    fix=(
        "with torch.no_grad():\n"
        "    for p in model.parameters():\n"
        "        p -= lr * p.grad  # in place"
    ),
    atlas=("rebind_loop_variable",),
    source="Python reference: Naming and binding",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for sums of a parameter and its gradient that nobody used."""
    of: dict[int, int] = {}
    made: dict[int, tuple[int, Event]] = {}
    used: set[int] = set()
    written: dict[int, int] = {}
    stepped = {n for step in timeline.of(Kind.step) for n in step.detail["moved"]}
    for event in timeline.events:
        if event.kind is Kind.grad_read and event.outputs:
            of[event.outputs[0]] = event.inputs[0]
            continue
        used.update(event.inputs)
        if event.kind is Kind.write:
            written.update(dict.fromkeys(event.detail.get("leaves", ()), event.index))
        elif event.kind in (Kind.data_write, Kind.load):
            written.update(dict.fromkeys(event.outputs, event.index))
        elif event.kind is Kind.assign:
            used.update(event.outputs)
        elif event.kind is Kind.op and event.outputs and len(event.outputs) == 1:
            sources = {of[n] for n in event.inputs if n in of}
            leaf = next((n for n in event.inputs if n in sources), None)
            if leaf is not None and event.name in _SUMS:
                made[event.outputs[0]] = leaf, event
            elif len(sources) == 1:
                of.setdefault(event.outputs[0], sources.pop())
    groups: dict[object, list[tuple[int, Event]]] = {}
    for number, (leaf, event) in made.items():
        if number in used or leaf in stepped or written.get(leaf, -1) > event.index:
            continue
        if event.place is not None:
            groups.setdefault(event.place, []).append((leaf, event))
    for group in groups.values():
        leaves = list(dict.fromkeys(leaf for leaf, _ in group))
        place = group[0][1].place
        assert place is not None
        yield CHECK.found(
            place,
            f"A new tensor is computed here from {named(timeline, leaves)} and its gradient, "
            f"{often(len(group))}, "
            "and nobody uses it: the name is rebound, the parameter is never written. Write in "
            "place.",
            parameters=timeline.names(leaves),
            evidence={"results_thrown_away": len(group), "writes": 0},
        )


_SUMS = frozenset(
    {"sub", "__sub__", "add", "__add__", "rsub", "__rsub__", "__radd__", "addcdiv", "addcmul"}
)
