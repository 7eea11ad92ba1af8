"""A target or teacher network in the memory of the one that is trained."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.history import lines, named
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB240",
    title="A target network that shares its parameters with the online one",
    severity=Severity.error,
    symptom="moves",
    why=(
        "copy.copy of a module, and target.data = online.data, copy no values: both "
        "networks are in one memory. The target moves with every step, and the delay it "
        "was made for is none."
    ),
    fix=(
        "target = copy.deepcopy(online)\n"
        "behind.data.copy_(ahead.data)  # or load_state_dict, to follow later"
    ),
    source="docs: copy.deepcopy",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for parameters in memory that another network trains, and whose values reach a loss."""
    yield from _by_data(timeline)
    yield from _by_copy(timeline)


def _by_data(timeline: Timeline) -> Iterator[Finding]:
    groups: dict[object, list[tuple[Event, int]]] = {}
    moved = {n: e for e in timeline.of(Kind.step) for n in e.detail["moved"]}
    for event in timeline.of(Kind.data_write):
        number, other = event.outputs[0], event.detail["shares"]
        if other is None or other == number or number in timeline.owners:
            continue
        if number in timeline.arrivals or other not in moved or event.place is None:
            continue
        if moved[other].index > event.index:
            groups.setdefault(event.place, []).append((event, other))
    for group in groups.values():
        first = group[0][0]
        behind = {event.outputs[0] for event, _ in group}
        backward = _reached(timeline, behind, first.index)
        if backward is not None and first.place is not None:
            yield CHECK.found(
                first.place,
                f"`.data = ` makes {named(timeline, sorted(behind))} share the memory of "
                f"{named(timeline, [group[0][1]])}, no copy: each step moves both. Use "
                "`.data.copy_`.",
                parameters=timeline.names(sorted(behind)),
                also=lines((moved[group[0][1]], "step that moves both"), (backward, "backward")),
                evidence={"shared_parameters": len(behind)},
            )


def _reached(timeline: Timeline, leaves: set[int], start: int) -> Event | None:
    """Return the first backward pass whose loss depends on the values of some leaves."""
    depends = set(leaves)
    for event in timeline.events:
        if event.index < start:
            continue
        if event.kind is Kind.backward:
            if depends.intersection(event.detail["roots"]):
                return event
        elif event.kind in _FLOWS and not depends.isdisjoint(event.inputs):
            depends.update(event.outputs)
    return None


def _by_copy(timeline: Timeline) -> Iterator[Finding]:
    moved = {n: e for e in timeline.of(Kind.step) for n in e.detail["moved"]}
    shallow = [event for event in timeline.of(Kind.copy) if event.name == "copy"]
    loads = [
        event
        for event in timeline.of(Kind.load)
        if event.name == "module" and event.detail["shared"] and not event.detail["assign"]
    ]
    told: set[object] = set()
    for event in (*timeline.of(Kind.write), *loads):
        itself = _itself(event)
        trained = [number for number in itself if number in moved]
        if not trained:
            continue
        cause = next((each for each in shallow if set(trained) & set(each.inputs)), None)
        certain = event.kind is Kind.write and event.name in _COPIES
        if cause is None and not certain:
            continue
        at = cause or event
        if at.place is None or at.place in told:
            continue
        told.add(at.place)
        numbers = [n for n in (cause.inputs if cause else trained) if n in moved]
        how = (
            "`copy.copy` of a module copies no parameter"
            if cause
            else f"`{event.name}` copies it to itself"
        )
        yield CHECK.found(
            at.place,
            f"{named(timeline, numbers)} is the same object in both networks: {how}. The one that "
            "should follow moves with each step of the other. Use `copy.deepcopy`.",
            parameters=timeline.names(numbers),
            also=lines((event, "written from itself"), (moved[trained[0]], "step that moves both")),
            evidence={"shared_parameters": len(numbers)},
        )


def _itself(event: Event) -> set[int]:
    """Return the leaves that an event wrote from themselves."""
    if event.kind is Kind.load:
        return set(event.detail["shared"])
    return set(event.detail.get("leaves", ())) & set(event.inputs) & set(event.outputs)


_COPIES = frozenset({"copy_", "lerp_", "_foreach_copy_", "_foreach_lerp_"})
_FLOWS = frozenset({Kind.op, Kind.function, Kind.compiled, Kind.checkpoint})
