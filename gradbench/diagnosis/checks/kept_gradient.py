"""A gradient kept for later that is the live `.grad`, and is overwritten with it."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.history import leaf_of_gradient, lines, named, often
from gradbench.diagnosis.source import assigned_at, handed_on, kept_at, last_word, two_names
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB308",
    title="A gradient kept without `clone` is the live `.grad` itself",
    severity=Severity.error,
    symptom="stale",
    why=(
        "`.grad` hands out the tensor, not a copy. `zero_grad(set_to_none=False)` fills it with "
        "zeros, and backward adds to it in place: what was kept is always the current gradient."
    ),
    fix='state["previous"] = p.grad.clone()  # a copy',
    atlas=("kept_gradient_zeroed",),
    source="docs: torch.Tensor.backward",
    sure_after=2,
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for optimizer state, and variables, that are the gradient which is filled again."""
    refilled = _refilled(timeline)
    in_state: dict[Place, list[tuple[int, Event, str, Event]]] = {}
    for step in timeline.of(Kind.step):
        if step.detail["torch"]:
            continue
        for leaf, key in step.detail["aliased"]:
            again = next((e for e in refilled.get(leaf, ()) if e.index > step.index), None)
            if again is None:
                continue
            file, start = step.detail["code"]
            line = kept_at(file, start + 1, key)
            place = Place(file, line) if line is not None else step.place
            if place is not None:
                in_state.setdefault(place, []).append((leaf, step, key, again))
    for place, group in in_state.items():
        leaves = list(dict.fromkeys(leaf for leaf, *_ in group))
        _, step, key, again = group[0]
        yield CHECK.found(
            place,
            f"`{key}` in the optimizer's state is the same tensor as `.grad` of "
            f"{named(timeline, leaves)}: it is filled again in place, so that the kept gradient "
            f"equals the current one. Keep a `clone`. Seen {often(len(group))}.",
            parameters=timeline.names(leaves),
            also=lines((step, "step"), (again, "filled again")),
            evidence={"key": key, "parameters": len(leaves), "times": len(group)},
        )
    if not in_state:
        yield from _compared(timeline)


def _refilled(timeline: Timeline) -> dict[int, list[Event]]:
    """Return for each leaf the events that wrote its gradient's memory again."""
    found: dict[int, list[Event]] = {}
    for event in timeline.of(Kind.clear, Kind.backward):
        if event.kind is Kind.clear:
            leaves = () if event.detail["to_none"] else event.detail["cleared"]
        else:
            leaves = tuple(set(event.detail["arrived"]) - set(event.detail.get("fresh", ())))
        for leaf in leaves:
            found.setdefault(leaf, []).append(event)
    return found


def _compared(timeline: Timeline) -> Iterator[Finding]:
    """Look for operators that take one gradient twice, by two names, and for kept ones read."""
    reads: dict[int, list[Event]] = {}
    refilled: dict[int, Event] = {}
    pairs: dict[Place, list[tuple[Event, int]]] = {}
    others: set[Place] = set()
    stale: dict[Place, list[tuple[Event, int]]] = {}
    for event in timeline.events:
        if event.kind is Kind.grad_read:
            if event.outputs and event.detail["use"] in ("stored", "used"):
                reads.setdefault(event.outputs[0], []).append(event)
        elif event.kind is Kind.clear and not event.detail["to_none"]:
            refilled.update(dict.fromkeys(event.detail["cleared"], event))
        elif event.kind is Kind.backward:
            refilled.update(
                {leaf: event for leaf in event.detail["arrived"]
                 if leaf not in event.detail.get("fresh", ())}
            )  # fmt: skip
        elif event.kind in (Kind.op, Kind.export) and event.place is not None and not event.api:
            gradients = [n for n in event.inputs if leaf_of_gradient(timeline, n) is not None]
            if len(gradients) == 2 and len(event.inputs) == 2:
                a, b = gradients
                leaf = leaf_of_gradient(timeline, a)
                write = refilled.get(leaf) if leaf is not None else None
                if a != b:
                    others.add(event.place)
                elif write is not None and reads.get(a) and reads[a][0].index < write.index:
                    pairs.setdefault(event.place, []).append((event, a))
        if event.kind is Kind.export and event.place is not None:
            for number in event.inputs:
                leaf = leaf_of_gradient(timeline, number)
                write = refilled.get(leaf) if leaf is not None else None
                last = reads.get(number, [])
                if write is None or not last or last[-1].index > write.index:
                    continue
                if last[-1].detail["use"] == "stored":
                    stale.setdefault(event.place, []).append((last[-1], number))
    found = False
    for place, group in pairs.items():
        names = two_names(place) if place not in others else None
        if names is None:
            continue
        found = True
        event, number = group[0]
        handed_out = reads[number][0]
        cause = _cause(place, handed_out, [last_word(each) for each in names])
        leaves = list(
            dict.fromkeys(x for _, n in group if (x := leaf_of_gradient(timeline, n)) is not None)
        )
        yield CHECK.found(
            cause,
            "What is kept here is the same tensor as the live `.grad` of "
            f"{named(timeline, leaves)}, which was filled again in place: old and new are compared "
            f"as equal, {often(len(group))}. Keep a `clone`.",
            parameters=timeline.names(leaves),
            also=lines((handed_out, "gradient read"), (event, "compared with itself")),
            evidence={"times": len(group), "parameters": len(leaves)},
            fix="earlier = [gradient.clone() for gradient in gradients]",
        )
    if found:
        return
    kept: dict[Place, list[int]] = {}
    for group in stale.values():
        for read, number in group:
            leaf = leaf_of_gradient(timeline, number)
            if read.place is not None and leaf is not None:
                kept.setdefault(read.place, []).append(leaf)
    for place, leaves in kept.items():
        yield CHECK.found(
            place,
            f"The gradient of {named(timeline, leaves)} is kept here as it is, and read after it "
            "was zeroed or filled again in place; a `clone` would have kept its values.",
            parameters=timeline.names(leaves),
            evidence={"parameters": len(set(leaves))},
            severity=Severity.note,
            symptom="zero",
        )


def _cause(place: Place, read: Event, words: list[str]) -> Place:
    """Return the line at which the old gradient was kept."""
    assert read.place is not None
    name = assigned_at(read.place)
    line = handed_on(read.place, name) if name else None
    if line is not None:
        return Place(read.place.file, line, read.place.function)
    for word in words:
        line = kept_at(place.file, place.line, word) if word else None
        if line is not None and line != place.line:
            return Place(place.file, line)
    return read.place
