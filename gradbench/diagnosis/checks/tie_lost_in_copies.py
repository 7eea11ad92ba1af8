"""Tied weights whose modules were copied one by one."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.history import lines, named
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB229",
    title="The parts of a tied model copied one by one",
    severity=Severity.warning,
    symptom="wrong",
    why=(
        "deepcopy remembers within one call what it has copied. In two calls each part "
        "takes a copy of the tied weight along, and what was one parameter is two."
    ),
    fix="encoder, decoder = copy.deepcopy((encoder, decoder))  # in one call",
    atlas=("tie_lost_in_copies",),
    source="docs: copy.deepcopy",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for two copies of a tied parameter that get gradients in one backward pass."""
    modules: dict[int, set[int]] = {}
    for event in timeline.of(Kind.assign):
        if event.detail["what"] == "parameter":
            for number in event.outputs:
                modules.setdefault(number, set()).add(event.detail["of"])
    copies: dict[int, list[Event]] = {}
    for event in timeline.of(Kind.copy):
        tied = event.inputs and len(modules.get(event.inputs[0], ())) > 1
        if tied and event.name == "deepcopy":
            copies.setdefault(event.inputs[0], []).append(event)
    for number, events in copies.items():
        made = [event.outputs[0] for event in events]
        if any(timeline.tensors[each].places > 1 for each in made if each in timeline.tensors):
            continue
        for backward in timeline.of(Kind.backward):
            both = [each for each in made if each in backward.detail["arrived"]]
            if len(both) > 1 and events[-1].place is not None:
                yield CHECK.found(
                    events[-1].place,
                    f"{named(timeline, [number, *both])} was tied: one parameter of several "
                    f"modules. "
                    f"`deepcopy` copied them one by one, and there are {len(both)} now, each with "
                    f"its "
                    "part of the gradient. Copy them in one call.",
                    parameters=timeline.names(both),
                    also=lines((events[0], "first copy"), (backward, "backward")),
                    evidence={"copies": len(both)},
                )
                break
