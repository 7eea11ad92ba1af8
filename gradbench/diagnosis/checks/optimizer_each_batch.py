"""An optimizer with a memory that is built anew for every batch."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.history import lines
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB216",
    title="An optimizer built anew for every batch",
    severity=Severity.error,
    symptom="wrong",
    why=(
        "Momentum and Adam's moments live in the optimizer. Built again for each batch it "
        "begins each time without them, and Adam's first step is always one of the full "
        "learning rate in the sign of the gradient."
    ),
    fix=(
        "optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)  # once, before the loop\n"
        "for batch in loader:\n"
        "    ..."
    ),
    source="docs: torch.optim",
    sure_after=3,
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for three or more stateful optimizers of the same parameters, of one step each."""
    groups: dict[tuple[object, ...], list[Event]] = {}
    for event in timeline.of(Kind.optimizer):
        if event.detail["made"] == "built" and event.place is not None and _remembers(event):
            groups.setdefault((event.place, event.detail["held"]), []).append(event)
    steps: dict[int, list[Event]] = {}
    for step in timeline.of(Kind.step):
        steps.setdefault(step.detail["optimizer"], []).append(step)
    for built in groups.values():
        done = [steps.get(event.detail["optimizer"], []) for event in built]
        used = [each for each in done if each]
        if len(used) < 3 or any(len(each) > 1 or each[0].detail["closure"] for each in used):
            continue
        held, first, last = set(built[0].detail["held"]), built[0], used[-1][0]
        if first.place is None or _reset(timeline, held, first.index, last.index):
            continue
        yield CHECK.found(
            first.place,
            f"{first.name} was built {len(built)} times here, a new optimizer for each batch, and "
            f"took one step each time: its momentum or moments begin anew at every step.",
            parameters=timeline.names(first.detail["held"]),
            also=lines((used[0][0], "step")),
            evidence={"optimizers": len(built), "steps_each": 1},
        )


def _remembers(event: Event) -> bool:
    options = event.detail["options"][0] if event.detail["options"] else {}
    if "momentum" in options and event.name == "SGD":
        return bool(options["momentum"])
    return event.name in _STATEFUL or "betas" in options


def _reset(timeline: Timeline, held: set[int], first: int, last: int) -> bool:
    """Say whether the parameters were put back in between, as in meta-learning."""
    for event in timeline.of(Kind.write, Kind.load, Kind.data_write):
        written = {*event.outputs, *event.detail.get("leaves", ())}
        if first < event.index < last and held & written:
            return True
    return False


_STATEFUL = frozenset(
    {"Adagrad", "RMSprop", "Adadelta", "Rprop", "Adamax", "NAdam", "RAdam", "ASGD", "Adafactor"}
)
