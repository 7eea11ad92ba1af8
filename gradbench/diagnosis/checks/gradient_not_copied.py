"""A gradient that is read of a copy made by deepcopy."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.history import lines, named
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB226",
    title="`deepcopy` does not copy gradients",
    severity=Severity.error,
    symptom="none",
    why=("A deep copy of a parameter has its values, and no gradient."),
    fix=(
        "twin = copy.deepcopy(model)\n"
        "for old, new in zip(model.parameters(), twin.parameters()):\n"
        "    new.grad = copy.deepcopy(old.grad)"
    ),
    atlas=("gradient_not_copied",),
    source="torch.nn.Parameter.__deepcopy__",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for copies of parameters with gradients, whose gradient is used and is None."""
    copies = {
        made: event
        for event in timeline.of(Kind.copy)
        if event.detail["had_grad"]
        for made in event.outputs
    }
    found: dict[object, tuple[Event, Event, list[int]]] = {}
    arrived: set[int] = set()
    for event in timeline.of(Kind.backward, Kind.grad_write, Kind.grad_read):
        if event.kind is Kind.backward:
            arrived.update(event.detail["arrived"])
        elif event.kind is Kind.grad_write:
            arrived.update(event.inputs)
        elif event.detail["none"] and event.detail["use"] == "used":
            number = event.inputs[0]
            copied = copies.get(number)
            if copied is not None and number not in arrived and copied.place is not None:
                found.setdefault(copied.place, (copied, event, []))[2].append(number)
    for copied, read, numbers in found.values():
        assert copied.place is not None
        yield CHECK.found(
            copied.place,
            f"`deepcopy` copied {named(timeline, numbers)} without its gradient, which the "
            f"original "
            "had; `.grad` of the copy is read as None.",
            parameters=timeline.names(numbers),
            also=lines((read, "read as None")),
            evidence={"copied_with_gradient": len(numbers), "gradients_copied": 0},
        )
