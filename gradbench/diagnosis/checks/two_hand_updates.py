"""Two updates by hand with one and the same gradient."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.history import Touch, histories, lines, named, often
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB321",
    title="A parameter is updated twice with one gradient",
    severity=Severity.warning,
    symptom="doubled",
    why=(
        "Two writes move the same parameter against the same gradient, without a forward or "
        "backward pass in between: it moves twice as far as was meant."
    ),
    fix="for p in dict.fromkeys(parameters):  # each once\n    p -= lr * p.grad",
    atlas=(),
    source="",
    sure_after=2,
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for leaves that two writes in a row moved against one gradient."""
    groups: dict[Place, dict[int, list[tuple[Event, Event]]]] = {}
    for leaf, moments in histories(timeline).items():
        last: Event | None = None
        for moment in moments:
            if moment.touch in _NEW:
                last = None
            elif moment.touch is Touch.moved:
                along = dict(
                    zip(
                        moment.event.detail.get("moved", ()),
                        moment.event.detail.get("along", ()),
                        strict=False,
                    )
                ).get(leaf, 0.0)
                if along > -0.999:
                    last = None
                    continue
                place = moment.event.place
                if (
                    last is not None
                    and place is not None
                    and not _passed(timeline, last, moment.event)
                ):
                    groups.setdefault(place, {}).setdefault(leaf, []).append((last, moment.event))
                last = moment.event
    for place, found in groups.items():
        leaves = [leaf for leaf, pairs in found.items() if len(pairs) > 1]
        if not leaves:
            continue
        first, second = found[leaves[0]][0]
        times = len(found[leaves[0]])
        yield CHECK.found(
            place,
            f"{named(timeline, leaves)}: updated by hand a second time with the same gradient, "
            f"{often(times)}; no backward lies between the two updates.",
            parameters=timeline.names(leaves),
            also=lines((first, "first update"), (second, "second update")),
            evidence={"times": times, "parameters": len(leaves)},
        )


def _passed(timeline: Timeline, first: Event, second: Event) -> bool:
    """Say whether a loss was computed between two writes, as a line search does."""
    return any(
        first.index < event.index < second.index and event.kind is Kind.export
        for event in timeline.of(Kind.export)
    )


_NEW = (Touch.arrived, Touch.cleared, Touch.assigned, Touch.written)
