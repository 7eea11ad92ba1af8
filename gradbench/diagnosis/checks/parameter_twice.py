"""A parameter that is twice in one optimizer."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.history import named
from gradbench.diagnosis.timeline import Kind, Timeline

CHECK = Check(
    id="GB213",
    title="A parameter twice in one optimizer",
    severity=Severity.error,
    symptom="doubled",
    why=(
        "An optimizer steps what it is given as often as it is given: a parameter that is "
        "listed twice takes two steps with one gradient."
    ),
    fix=(
        "optimizer = torch.optim.SGD(dict.fromkeys([*encoder.parameters(), "
        "*decoder.parameters()]), lr=0.1)"
    ),
    atlas=("duplicated_in_group",),
    source="pt#40967",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for duplicates among what an optimizer holds."""
    told: set[int] = set()
    for event in timeline.of(Kind.optimizer):
        twice = event.detail["twice"]
        if not twice or event.place is None or event.detail["optimizer"] in told:
            continue
        told.add(event.detail["optimizer"])
        yield CHECK.found(
            event.place,
            f"{named(timeline, twice)} is given twice to this optimizer, as a duplicate: each step "
            "is taken twice.",
            parameters=timeline.names(twice),
            evidence={"duplicates": len(twice), "held": len(event.detail["held"])},
        )
