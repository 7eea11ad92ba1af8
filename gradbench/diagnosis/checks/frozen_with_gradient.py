"""A parameter that was frozen while its gradient was still there, and moved."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.history import lines, named
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB232",
    title="`requires_grad_(False)` with the old gradient still there",
    severity=Severity.error,
    symptom="moves",
    why=(
        "requires_grad decides whether backward fills .grad. A step asks only whether "
        "there is a gradient: an old one is applied again, and one of zeros still moves "
        "the parameter by momentum, Adam's moments or weight decay."
    ),
    fix=(
        "parameter.requires_grad_(False)\nparameter.grad = None  # take the gradient away as well"
    ),
    atlas=("frozen_with_gradient",),
    source="docs: torch.optim.Optimizer.step",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for frozen leaves that a step moved with a gradient of before."""
    frozen: dict[int, Event] = {}
    found: dict[object, tuple[Event, Event, list[int], set[int]]] = {}
    for event in timeline.of(Kind.requires_grad, Kind.backward, Kind.grad_write, Kind.step):
        if event.kind is Kind.requires_grad:
            number = event.outputs[0]
            if event.detail["value"]:
                frozen.pop(number, None)
            elif event.detail["before"] and event.detail["has_grad"]:
                frozen[number] = event
        elif event.kind is Kind.backward:
            for number in event.detail["arrived"]:
                frozen.pop(number, None)
        elif event.kind is Kind.grad_write:
            frozen.pop(event.inputs[0], None)
        else:
            for number in event.detail["moved"]:
                cause = frozen.get(number)
                if cause is not None and cause.place is not None:
                    one = found.setdefault(cause.place, (cause, event, [], set()))
                    one[3].add(event.index)
                    if number not in one[2]:
                        one[2].append(number)
    for cause, step, numbers, steps in found.values():
        assert cause.place is not None
        zero = bool(set(numbers) & set(step.detail["zero"]))
        how = "of zeros, by momentum or weight decay" if zero else "of before"
        yield CHECK.found(
            cause.place,
            f"{named(timeline, numbers)} was frozen here by `requires_grad` with its `.grad` still "
            f"there, and {step.name} moved it in {len(steps)} steps since, with a gradient {how}.",
            parameters=timeline.names(numbers),
            also=lines((step, "step that moved it")),
            evidence={"parameters": len(numbers), "steps_since": len(steps)},
        )
