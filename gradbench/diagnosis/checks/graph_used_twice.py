"""A graph that backward goes through twice."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.reused import Way, reused
from gradbench.diagnosis.timeline import Timeline

CHECK = Check(
    id="GB511",
    title="Backward through one graph twice",
    severity=Severity.error,
    symptom="error",
    why=(
        "The first `backward()` frees what the graph had saved. A second backward pass through "
        "the same graph, or a part of it that two losses share, finds nothing."
    ),
    fix=(
        "(loss_a + loss_b).backward()  # once, for the sum\n"
        "# or loss_a.backward(retain_graph=True); or detach what the first loss should not reach"
    ),
    atlas=("graph_used_twice",),
    source="docs: torch.Tensor.backward",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for the error that the second backward pass raises."""
    found = reused(timeline)
    if found is None or found.way not in (Way.twice, Way.shared):
        return
    freed = found.freed.place if found.freed is not None else None
    line = f" at line {freed.line}" if freed is not None else ""
    said = (
        f"this graph was freed by the backward pass{line} already, without `retain_graph`."
        if found.way is Way.twice or found.number is None
        else f"the loss depends on {timeline.name(found.number)}, whose graph the backward pass"
        f"{line} has freed; `detach` it there, or add the losses up."
    )
    yield CHECK.found(
        found.place,
        f"PyTorch raised “{found.raised.first}”: {said}",
        also=found.raised.also(
            (freed, "first backward"),
            (found.use.place if found.use is not None else None, "used again"),
            (found.made.place if found.made is not None else None, "made"),
        ),
        evidence=found.raised.evidence,
    )
