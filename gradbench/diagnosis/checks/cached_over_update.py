"""A parametrized weight from the cache, used after its parameters had moved."""

from __future__ import annotations

import linecache
from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.history import lines, named
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB239",
    title="`parametrize.cached()` over an update",
    severity=Severity.error,
    symptom="stale",
    why=(
        "Within parametrize.cached a weight is computed once. An update within the block "
        "changes the parameters that it is computed from, not the weight that is kept."
    ),
    fix=(
        "for batch in loader:\n"
        "    with parametrize.cached():  # a block for each step\n"
        "        loss = model(batch).mean()\n"
        "    loss.backward()\n"
        "    optimizer.step()"
    ),
    atlas=("weight_cached_over_step",),
    source="docs: torch.nn.utils.parametrize.cached",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for weights that were computed before an update within the block and used after it."""
    made: dict[int, tuple[Event, set[int]]] = {}
    stale: dict[int, Event] = {}
    told: set[object] = set()
    for event in timeline.events:
        if event.kind is Kind.op and event.api.endswith("parametrize.get_parametrized"):
            sources = set(event.live)
            for number in event.outputs:
                made[number] = event, sources
            continue
        if event.kind in (Kind.step, Kind.write) and event.detail.get("cached"):
            moved = set(event.detail.get("moved", event.detail.get("leaves", ())))
            for number, (_, sources) in made.items():
                if sources & moved:
                    stale.setdefault(number, event)
            continue
        for number in event.inputs if event.kind in (Kind.op, Kind.export) else ():
            update = stale.pop(number, None)
            if update is None or update.place is None or update.place in told:
                continue
            told.add(update.place)
            block = _block(update)
            leaves = sorted(made[number][1])
            yield CHECK.found(
                block or update.place,
                f"The weight computed from {named(timeline, leaves)} is kept by "
                "`parametrize.cached()`, was not computed anew after the update within the block, "
                "and is used again: it is stale.",
                parameters=timeline.names(leaves),
                also=lines((update, "update within the block"), (event, "used again")),
                evidence={"updates_within_the_block": 1},
            )


def _block(update: Event) -> Place | None:
    """Return the line of the block around an update: the nearest ``cached(`` above it."""
    for place in (update.place, *update.callers):
        if place is None:
            continue
        for number in range(place.line, max(0, place.line - 60), -1):
            line = linecache.getline(place.file, number)
            if "cached(" in line and line.lstrip().startswith("with "):
                return Place(place.file, number, place.function)
            if line.startswith("def "):
                break
    return None
