"""A parameter initialised anew while the optimizer remembers its past."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.history import lines, named
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB220",
    title="A parameter initialised anew, and an optimizer that remembers the old one",
    severity=Severity.warning,
    symptom="wrong",
    why=(
        "Momentum and Adam's moments are those of the weights that were there before. The "
        "first steps after the initialisation go where the old weights were going."
    ),
    fix=("torch.nn.init.zeros_(w)\ndel optimizer.state[w]  # forget its momentum as well"),
    atlas=("momentum_of_old_weights",),
    source="docs: torch.optim.Optimizer.state_dict",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for leaves initialised after a step, whose state the next step still uses."""
    stepped: dict[int, Event] = {}
    reset: dict[int, Event] = {}
    found: dict[object, tuple[Event, Event, list[int]]] = {}
    for event in timeline.of(Kind.step, Kind.write):
        if event.kind is Kind.write:
            for number in event.outputs:
                if number in stepped and _initialises(event):
                    reset[number] = event
            continue
        stateful = set(event.detail["stateful"])
        for number in event.detail["held"]:
            again = reset.pop(number, None)
            if again is not None and number in stateful and again.place is not None:
                found.setdefault(again.place, (again, event, []))[2].append(number)
            if number in event.detail["moved"]:
                stepped[number] = event
    for again, step, numbers in found.values():
        assert again.place is not None
        name = again.api.rpartition(".")[2] or again.name
        yield CHECK.found(
            again.place,
            f"`{name}` gives {named(timeline, numbers)} new values, and the next step of "
            f"{step.name} "
            "still uses the momentum (its state) of the old ones.",
            parameters=timeline.names(numbers),
            also=lines((step, "step with the old state")),
            evidence={"parameters": len(numbers)},
        )


def _initialises(event: Event) -> bool:
    return event.api.startswith("torch.nn.init.") or event.api.endswith("reset_parameters")
