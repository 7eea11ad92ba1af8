"""A table with `max_norm` that is looked up after its weight was used."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.overwritten import overwritten
from gradbench.diagnosis.timeline import Kind, Timeline

CHECK = Check(
    id="GB510",
    title="`nn.Embedding(max_norm=…)` looked up after its weight was used",
    severity=Severity.error,
    symptom="error",
    why=(
        "With `max_norm` a lookup writes the rows that it reads: it renormalises them in place. "
        "What was saved of the weight before that is overwritten, and autograd refuses."
    ),
    fix=(
        "penalty = table.weight.clone().square().sum()  # a copy, before the lookup\n"
        "# or look up first, and use the weight afterwards"
    ),
    atlas=("embedding_renormalised",),
    source="docs: torch.nn.Embedding",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that backward raises then."""
    found = overwritten(timeline)
    if found is None or found.write is None or found.write.kind is not Kind.op:
        return
    if "embedding" not in found.write.name:
        return
    name = timeline.name(found.number) if found.number is not None else "the table"
    yield CHECK.found(
        found.place,
        f"The lookup with `max_norm` writes {name} in place here, after it was saved for backward.",
        parameters=timeline.names([found.number] if found.number is not None else []),
        also=found.raised.also((found.saved.place if found.saved is not None else None, "saved")),
        evidence=found.raised.evidence,
    )
