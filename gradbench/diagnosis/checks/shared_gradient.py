"""Two parameters with one `.grad` tensor."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.history import lines, named
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB309",
    title="Two parameters share one `.grad` tensor",
    severity=Severity.error,
    symptom="doubled",
    why=(
        "Backward adds each parameter's gradient to its `.grad`. Where two of them are one tensor, "
        "or the same memory, both end up with the sum."
    ),
    fix="for p in parameters:\n    p.grad = torch.zeros_like(p)  # one tensor for each",
    atlas=("gradient_tensor_shared",),
    source="docs: torch.Tensor.grad",
    sure_after=0,
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for gradients that arrived in memory which another one's share."""
    told: set[Place] = set()
    for event in timeline.of(Kind.backward):
        shared = set(event.detail.get("shared", ())) & set(event.detail.get("reachable") or ())
        if len(shared) < 2:
            continue
        write = _assigned(timeline, event, shared)
        place = write.place if write is not None else event.place
        if place is None or place in told:
            continue
        told.add(place)
        leaves = sorted(shared)
        yield CHECK.found(
            place,
            f"{named(timeline, leaves)} have the same memory as `.grad`: backward adds the "
            "gradients of all of them into one tensor.",
            parameters=timeline.names(leaves),
            also=lines((event, "backward")),
            evidence={"parameters": len(leaves)},
        )


def _assigned(timeline: Timeline, backward: Event, shared: set[int]) -> Event | None:
    """Return the last assignment of one of the gradients."""
    writes = [
        event
        for event in timeline.of(Kind.grad_write)
        if event.index < backward.index and event.inputs[0] in shared and not event.detail["none"]
    ]
    return writes[-1] if writes else None
