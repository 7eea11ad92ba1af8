"""A tied parameter that a loop by hand updates once for each module."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.history import named, often
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB215",
    title="A loop over modules updates a tied parameter twice",
    severity=Severity.error,
    symptom="doubled",
    why=(
        "A tied weight is one parameter with two names. A loop over modules or names "
        "meets it at each of them and takes the whole step every time."
    ),
    fix=(
        "with torch.no_grad():\n"
        "    for parameter in model.parameters():  # yields each parameter once\n"
        "        parameter -= 0.1 * parameter.grad"
    ),
    atlas=("tied_stepped_by_module",),
    source="docs: torch.nn.Module.parameters",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for leaves that one line moved against their gradient twice after one backward."""
    last: dict[int, Event] = {}
    times: dict[tuple[object, ...], list[int]] = {}
    events: dict[tuple[object, ...], Event] = {}
    for event in timeline.of(
        Kind.backward, Kind.gradient, Kind.step, Kind.write, Kind.load, Kind.data_write
    ):
        if event.kind is not Kind.write:
            last.clear()
            continue
        moved = event.detail.get("moved", ())
        along = dict(zip(moved, event.detail.get("along", ()), strict=False))
        for number in event.detail.get("leaves", ()):
            before = last.get(number)
            straight = abs(along.get(number, 0.0)) > 0.999
            again = before is not None and (before.place, before.name) == (event.place, event.name)
            if again and straight and event.place is not None:
                times.setdefault((event.place, event.name), []).append(number)
                events.setdefault((event.place, event.name), event)
            if straight:
                last[number] = event
            else:
                last.pop(number, None)
    for key, numbers in times.items():
        tied = [number for number in dict.fromkeys(numbers) if _is_tied(timeline, number)]
        event = events[key]
        if tied and event.place is not None:
            yield CHECK.found(
                event.place,
                f"{named(timeline, tied)} is tied: held by several modules as one parameter, it is "
                f"met again and updated twice with one gradient, {often(len(numbers))}.",
                parameters=timeline.names(tied),
                evidence={"double_updates": len(numbers)},
            )


def _is_tied(timeline: Timeline, number: int) -> bool:
    if timeline.tensors[number].places > 1:
        return True
    owners = {
        event.detail["of"]
        for event in timeline.of(Kind.assign)
        if number in event.outputs and event.detail["what"] == "parameter"
    }
    return len(owners) > 1
