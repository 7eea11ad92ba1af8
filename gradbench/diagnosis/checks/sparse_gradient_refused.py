"""A sparse gradient that an optimizer refuses."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.raised import raised
from gradbench.diagnosis.timeline import Kind, Timeline

CHECK = Check(
    id="GB524",
    title="Sparse gradients with an optimizer that has no rule for them",
    severity=Severity.error,
    symptom="error",
    why=(
        "`nn.Embedding(sparse=True)` gives a gradient that holds the rows that were looked up "
        "only. Adam and most others need all rows; SGD, SparseAdam and Adagrad do not."
    ),
    fix=(
        "tables = torch.optim.SparseAdam(embedding.parameters())  # a second optimizer\n"
        "# or nn.Embedding(…) without sparse=True"
    ),
    atlas=("sparse_with_adam",),
    source="docs: torch.nn.Embedding",
)

_TAKE_SPARSE = ("SGD", "SparseAdam", "Adagrad")


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that the optimizer raises, and where that optimizer was built."""
    error = raised(timeline, "does not support sparse gradients")
    if error is None:
        return
    tables = [
        (event, number)
        for event in timeline.of(Kind.optimizer)
        if event.name not in _TAKE_SPARSE
        for number in event.detail["held"]
        if timeline.tensors[number].module in ("Embedding", "EmbeddingBag")
    ]
    built = tables[0][0] if tables else None
    names = timeline.names([number for event, number in tables if event is built])
    yield CHECK.found(
        built.place if built is not None and built.place is not None else error.place,
        f"PyTorch raised “{error.first}”: {', '.join(names[:2]) or 'a table'} of an "
        f"`nn.Embedding(sparse=True)` is held by {built.name if built is not None else 'Adam'}; "
        "use `SparseAdam` for it, or leave `sparse=True` out.",
        parameters=names,
        also=error.also((error.place, "step")),
        evidence=error.evidence,
    )
