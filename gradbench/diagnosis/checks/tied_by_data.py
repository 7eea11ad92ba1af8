"""Two parameters that were tied by `.data`."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.history import lines, named
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB230",
    title="`b.weight.data = a.weight.data` to tie two layers",
    severity=Severity.error,
    symptom="wrong",
    why=(
        "Both are parameters of their own, in one memory: each gets its part of the "
        "gradient and an optimizer steps each, so that the shared values move by both "
        "steps, with a momentum for each."
    ),
    fix="b.weight = a.weight  # one parameter object",
    atlas=("tied_by_data",),
    source="docs: torch.nn.Parameter",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for parameters that share memory since `.data` was assigned, and both get gradients."""
    shared: dict[int, tuple[Event, int]] = {}
    told: set[int] = set()
    for event in timeline.of(Kind.data_write, Kind.backward):
        if event.kind is Kind.data_write:
            number, other = event.outputs[0], event.detail["shares"]
            shared.pop(number, None)
            if other is not None and other != number and event.place is not None:
                shared[number] = event, other
            continue
        arrived = set(event.detail["arrived"])
        for number, (cause, other) in shared.items():
            if number in told or not {number, other} <= arrived or cause.place is None:
                continue
            told.add(number)
            yield CHECK.found(
                cause.place,
                f"Since `.data` was assigned here {named(timeline, [number])} and "
                f"{named(timeline, [other])} share one memory and are two parameters: each got its "
                "own gradient, not the sum. Share the parameter object.",
                parameters=timeline.names([number, other]),
                also=lines((event, "backward")),
                evidence={"parameters": 2, "memories": 1},
            )
