"""A table of which only the row for padding is looked up."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.timeline import Kind, Timeline
from gradbench.diagnosis.vanishing import vanished

CHECK = Check(
    id="GB414",
    title="A word at the `padding_idx`",
    severity=Severity.warning,
    symptom="zero",
    why=(
        "The row at `padding_idx` never gets a gradient. A word, a user or a class that is given "
        "this index never learns."
    ),
    fix="table = nn.Embedding(words + 1, 8, padding_idx=0)\nrow = table(index + 1)  # 0 is padding",
    atlas=("padding_row_replaced",),
    source="docs: torch.nn.Embedding",
    sure_after=3,
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for lookups of the row for padding alone, in each backward pass."""
    passes = len(timeline.of(Kind.backward))
    for found in vanished(timeline):
        if "embedding" not in found.name or (not found.sure and found.passes < passes):
            continue
        tables = tuple(number for number in found.leaves if number in found.first.inputs)
        if not tables:
            continue
        names = timeline.names(tables)
        yield CHECK.found(
            found.place,
            f"Only the row at `padding_idx` of {', '.join(names) or 'the embedding'} is looked up "
            f"here in {found.passes} backward passes, and that row gets no gradient.",
            parameters=names,
            also=found.also,
            evidence=found.evidence,
        )
