"""A state dict that was kept without a copy, while training goes on."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.history import lines, named
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB225",
    title="`model.state_dict()` kept without a copy",
    severity=Severity.error,
    symptom="wrong",
    why=(
        "The tensors of a state dict are the parameters' own memory. Every update writes "
        "into what was kept, so that the best weights are the last ones."
    ),
    fix="best = copy.deepcopy(model.state_dict())",
    atlas=("best_state_kept",),
    source="docs: torch.nn.Module.state_dict",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for state dicts that were trained on, and loaded back or kept again and again."""
    made: dict[int, Event] = {}
    used: set[int] = set()
    moved: dict[int, int] = {}
    told: set[object] = set()
    overwritten: dict[object, dict[int, int]] = {}
    for event in timeline.events:
        if event.kind is Kind.op and event.name == "detach" and _is_state_dict(event):
            made[event.outputs[0]] = event
            continue
        if event.kind is Kind.load and event.name == "module":
            yield from _loaded(timeline, event, made, moved, told)
        used.update(event.inputs)
        if event.kind in (Kind.write, Kind.step):
            for number in event.detail.get("leaves", event.detail.get("moved", ())):
                moved[number] = event.index
            for number in event.detail.get("overwritten", ()):
                if number in made and made[number].place is not None:
                    times = overwritten.setdefault(made[number].place, {})
                    times[number] = times.get(number, 0) + 1
    for place, times in overwritten.items():
        events = [made[number] for number in times if number not in used]
        # Kept while training, for later: it has served for nothing else.
        kept = [e for e in events if e.step > 0 and times[e.outputs[0]] > 1]
        if len(events) < len(times) or not kept or place in told:
            continue
        leaves = list(dict.fromkeys(event.inputs[0] for event in events))
        yield _found(timeline, kept[0], leaves, "and nothing has used it yet", (), Severity.warning)


def _is_state_dict(event: Event) -> bool:
    return "state_dict" in event.api and bool(event.inputs) and event.place is not None


def _loaded(
    timeline: Timeline,
    load: Event,
    made: dict[int, Event],
    moved: dict[int, int],
    told: set[object],
) -> Iterator[Finding]:
    """Yield a finding where a module is loaded from its own memory, which has moved since."""
    own = set(load.detail["shared"])
    kept = [made[n] for n in load.inputs if n in made and made[n].inputs[0] in own]
    stale = [event for event in kept if moved.get(event.inputs[0], -1) > event.index]
    if stale and stale[0].place not in told:
        told.add(stale[0].place)
        leaves = [event.inputs[0] for event in stale]
        yield _found(timeline, stale[0], leaves, "before it is loaded", ((load, "loaded"),))


def _found(
    timeline: Timeline,
    event: Event,
    leaves: list[int],
    since: str,
    also: tuple[tuple[Event, str], ...],
    severity: Severity = Severity.error,
) -> Finding:
    assert event.place is not None
    return CHECK.found(
        event.place,
        f"The `state_dict()` kept here is the memory of {named(timeline, leaves)} itself, no copy: "
        f"the updates overwrite it {since}. Keep `copy.deepcopy(model.state_dict())`.",
        parameters=timeline.names(leaves),
        also=lines(*also),
        evidence={"tensors": len(leaves), "copied": 0},
        severity=severity,
    )
