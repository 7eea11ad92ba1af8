"""Gradients that do not grow any more when low precision adds to them."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.history import named
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB317",
    title="Micro-batches added up in low precision stagnate",
    severity=Severity.warning,
    symptom="wrong",
    why=(
        "A sum in bfloat16 has 8 binary digits. Once it is 256 times as large as what is added, "
        "adding changes nothing, and later micro-batches do not count."
    ),
    fix="total += p.grad.float()  # add up in float32\np.grad = None",
    atlas=("sum_stagnates",),
    source="docs: torch.amp",
    sure_after=0,
)

_TIMES = 8


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for gradients that are as they were although backward added to them."""
    groups: dict[Place, dict[int, list[Event]]] = {}
    for event in timeline.of(Kind.backward):
        for leaf in event.detail.get("stuck", ()):
            if event.place is not None and leaf not in event.detail["zero"]:
                groups.setdefault(event.place, {}).setdefault(leaf, []).append(event)
    for place, stuck in groups.items():
        leaves = [
            leaf
            for leaf, events in stuck.items()
            if len(events) >= _TIMES and _grew(timeline, leaf, events[0])
        ]
        if not leaves:
            continue
        times = max(len(stuck[leaf]) for leaf in leaves)
        dtype = timeline.tensors[leaves[0]].dtype
        yield CHECK.found(
            place,
            f"`.grad` of {named(timeline, leaves)} is of {dtype}, and {times} backward passes did "
            "not change it: what they add is rounded away.",
            parameters=timeline.names(leaves),
            evidence={"times": times, "dtype": dtype},
        )


def _grew(timeline: Timeline, leaf: int, before: Event) -> bool:
    """Say whether earlier passes from the same line did add something."""
    return any(
        leaf in event.detail["arrived"] and leaf not in event.detail["stuck"]
        for event in timeline.arrivals.get(leaf, ())
        if event.index < before.index and event.place == before.place
    )
