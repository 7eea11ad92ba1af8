"""A step with gradients of zero that moved parameters all the same."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.history import lines, named
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB237",
    title="A gradient of zero still moves a parameter",
    severity=Severity.warning,
    symptom="moves",
    why=(
        "An optimizer skips a parameter whose gradient is None. A gradient of zeros is a "
        "gradient: momentum, Adam's moments and weight decay go on and move it."
    ),
    fix="optimizer.zero_grad()  # set_to_none=True, the default",
    atlas=("zero_still_moves",),
    source="docs: torch.optim.Optimizer.zero_grad",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for leaves moved with gradients that were filled with zeros and not refilled."""
    zeroed: dict[int, Event] = {}
    fresh: set[int] = set()
    frozen: set[int] = set()
    found: dict[object, tuple[Event, Event, list[int], set[int]]] = {}
    for event in timeline.of(
        Kind.backward, Kind.clear, Kind.step, Kind.grad_write, Kind.write, Kind.requires_grad
    ):
        if event.kind is Kind.backward:
            fresh.update(event.detail["arrived"])
            for number in event.detail["arrived"]:
                zeroed.pop(number, None)
        elif event.kind is Kind.clear:
            for number in event.detail["cleared"]:
                # Cleared between backward and step is another fault.
                if not event.detail["to_none"] and number not in fresh:
                    zeroed[number] = event
        elif event.kind is Kind.grad_write:
            zeroed.pop(event.inputs[0], None)
        elif event.kind is Kind.write:
            for number in event.detail.get("gradients_of", ()):
                zeroed.pop(number, None)
        elif event.kind is Kind.requires_grad:
            (frozen.discard if event.detail["value"] else frozen.add)(event.outputs[0])
        else:
            for number in event.detail["zero"]:
                cause = zeroed.get(number)
                if cause is None or number not in event.detail["moved"] or number in frozen:
                    continue
                one = found.setdefault(cause.place, (cause, event, [], set()))
                one[3].add(event.index)
                if number not in one[2]:
                    one[2].append(number)
            fresh.difference_update(event.detail["held"])
    for cause, step, numbers, steps in found.values():
        if cause.place is not None:
            yield CHECK.found(
                cause.place,
                f"The gradient of {named(timeline, numbers)} was filled with zeros here "
                f"(`set_to_none=False`), no backward reached it, and {step.name} moved it all the "
                f"same "
                f"in {len(steps)} steps, by momentum or weight decay.",
                parameters=timeline.names(numbers),
                also=lines((step, "step that moved it")),
                evidence={"parameters": len(numbers), "steps": len(steps)},
            )
