"""A parameter that two optimizers step after one backward pass."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.history import lines, named
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB214",
    title="Two optimizers step the same parameter",
    severity=Severity.warning,
    symptom="doubled",
    why=(
        "Each optimizer takes the whole step with the one gradient that there is: the "
        "parameter moves twice. It is in two optimizers because one was built from a "
        "module that contains the other's."
    ),
    fix=(
        'optimizer = torch.optim.SGD([{"params": encoder.parameters()}, {"params": [relation], '
        '"lr": 0.02}])'
    ),
    atlas=("stepped_by_two",),
    source="docs: torch.optim",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for leaves that two optimizers moved with the gradient of one backward pass."""
    stepped: dict[int, list[Event]] = {}
    found: dict[tuple[int, int], tuple[Event, Event, list[int], int]] = {}
    for event in timeline.events:
        if event.kind is Kind.backward:
            for number in event.detail["arrived"]:
                stepped.pop(number, None)
        elif event.kind is Kind.step:
            zero = set(event.detail["zero"])
            for number in event.detail["moved"]:
                if number in zero:
                    continue
                # A step within another one is the outer one's doing.
                before = [e for e in stepped.get(number, []) if e.index < event.detail["first"]]
                for other in before:
                    key = other.detail["optimizer"], event.detail["optimizer"]
                    if key[0] != key[1]:
                        first, _, leaves, times = found.get(key, (other, event, [], 0))
                        if number not in leaves:
                            leaves.append(number)
                        found[key] = first, event, leaves, times + 1
                stepped[number] = [*before, event]
    for (one, two), (first, second, leaves, times) in found.items():
        built = [_built(timeline, one), _built(timeline, two)]
        later = max(built, key=lambda each: each.index)
        place = later.place or second.place
        if place is not None:
            yield CHECK.found(
                place,
                f"Two optimizers hold {named(timeline, leaves)}, and both step after one backward: "
                f"the same gradient moves them twice ({times} such steps of {len(leaves)} "
                "parameters).",
                parameters=timeline.names(leaves),
                also=lines(
                    (min(built, key=lambda each: each.index), "first optimizer built"),
                    (first, "step"),
                    (second, "second step"),
                ),
                evidence={"parameters": len(leaves), "double_steps": times},
            )


def _built(timeline: Timeline, number: int) -> Event:
    return next(e for e in timeline.of(Kind.optimizer) if e.detail["optimizer"] == number)
