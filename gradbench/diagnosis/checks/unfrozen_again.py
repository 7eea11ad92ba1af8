"""A part that was frozen, and unfrozen again before it was ever used."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.history import lines, named
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB233",
    title="Frozen parameters unfrozen again by a loop over all",
    severity=Severity.warning,
    symptom="moves",
    why=(
        "A later line sets requires_grad on every parameter of the model. What was frozen "
        "before is unfrozen again, and trains as if it had never been frozen."
    ),
    fix=(
        "for parameter in model.head.parameters():  # not all of model.parameters()\n"
        "    parameter.requires_grad = True"
    ),
    source="docs: torch.nn.Module.requires_grad_",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for freezing that a line undid for all of its parameters and set for others besides."""
    frozen: dict[int, Event] = {}
    runs: list[tuple[Event, list[Event]]] = []
    used = frozenset({Kind.op, Kind.function, Kind.compiled, Kind.checkpoint})
    last: Event | None = None
    for event in timeline.events:
        if event.kind is Kind.requires_grad:
            if event.detail["value"]:
                if not runs or last is None or _elsewhere(last, event):
                    runs.append((event, []))
                if event.outputs[0] not in frozen and event.detail["before"]:
                    runs[-1][1].append(event)  # one that was never frozen
                elif event.outputs[0] in frozen and not event.detail["before"]:
                    runs[-1][1].append(event)
            elif event.detail["before"]:
                frozen[event.outputs[0]] = event
            last = event
        elif event.kind in used:
            if frozen and not event.api.startswith("torch.optim"):
                for number in event.inputs:
                    frozen.pop(number, None)
            last = None if event.kind is not Kind.op else last
        elif event.kind in (Kind.backward, Kind.step):
            last = None
        if event.kind is Kind.requires_grad and event.detail["value"]:
            continue
    yield from _undone(timeline, runs)


def _elsewhere(last: Event, event: Event) -> bool:
    return (last.place, last.api) != (event.place, event.api)


def _undone(timeline: Timeline, runs: list[tuple[Event, list[Event]]]) -> Iterator[Finding]:
    moved: dict[int, Event] = {}
    for step in timeline.of(Kind.step):
        for number in step.detail["moved"]:
            moved.setdefault(number, step)
    for first, events in runs:
        undone = [e.outputs[0] for e in events if not e.detail["before"]]
        others = [e.outputs[0] for e in events if e.detail["before"]]
        if not undone or not others or first.place is None:
            continue
        trained = [n for n in undone if n in moved and moved[n].index > first.index]
        freezing = [
            e
            for e in timeline.of(Kind.requires_grad)
            if e.index < first.index
            and not e.detail["value"]
            and e.detail["before"]
            and e.outputs[0] in undone
        ]
        places = {e.place for e in freezing}
        whole = {
            e.outputs[0]
            for e in timeline.of(Kind.requires_grad)
            if e.index < first.index
            and not e.detail["value"]
            and e.detail["before"]
            and e.place in places
        }
        if trained and whole <= set(undone):
            yield CHECK.found(
                first.place,
                f"{named(timeline, trained)} was frozen by `requires_grad`, and this line has "
                f"unfrozen "
                f"it again before it was ever used, with {len(others)} others that were not "
                f"frozen: "
                "it moves.",
                parameters=timeline.names(trained),
                also=lines((freezing[0], "frozen"), (moved[trained[0]], "step that moved it")),
                evidence={"unfrozen_again": len(undone), "never_frozen": len(others)},
            )
