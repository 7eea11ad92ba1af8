"""Rows of an embedding that were not looked up, and that the step moved."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.history import lines, named
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB236",
    title="Rows of a dense embedding move although they were not looked up",
    severity=Severity.note,
    symptom="moves",
    why=(
        "The gradient of a dense embedding is as large as the table. Rows that were not "
        "looked up have a gradient of zero, and Adam, momentum and weight decay move them "
        "all the same."
    ),
    fix=(
        "table = nn.Embedding(words, size, sparse=True)\n"
        "optimizer = torch.optim.SparseAdam(table.parameters())"
    ),
    atlas=("unseen_rows_moved",),
    source="docs: torch.optim.SparseAdam",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for elements of embedding tables that moved with a gradient of zero."""
    tables = {
        number: event
        for event in timeline.of(Kind.op)
        if event.name == "embedding"
        for number in event.live
    }
    found: dict[int, tuple[int, int, Event]] = {}
    for step in timeline.of(Kind.step):
        for number, zero, moved, other, _ in step.detail["elements"]:
            if number in tables and moved and other:
                found.setdefault(number, (moved, zero, step))
    if not found:
        return
    number, (moved, zero, step) = next(iter(found.items()))
    place = tables[number].place or step.place
    if place is not None:
        yield CHECK.found(
            place,
            f"{step.name} moved {moved} of {zero} elements of the `Embedding` "
            f"{named(timeline, found)} whose rows were not looked up: they have a zero gradient, "
            "not none.",
            parameters=timeline.names(list(found)),
            also=lines((step, "step")),
            evidence={"elements_not_looked_up": zero, "moved": moved, "tables": len(found)},
        )
