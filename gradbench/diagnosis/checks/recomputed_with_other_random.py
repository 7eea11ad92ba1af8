"""A checkpointed segment that draws other random numbers the second time."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.history import lines, often
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB327",
    title="`checkpoint(preserve_rng_state=False)` around something random",
    severity=Severity.error,
    symptom="wrong",
    why=(
        "The second run, within backward, draws another dropout mask than the loss was computed "
        "with: the gradient belongs to another function."
    ),
    fix="checkpoint(block, x, use_reentrant=False)  # preserves the random state by default",
    atlas=("other_dropout_mask",),
    source="docs: torch.utils.checkpoint",
    sure_after=0,
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for segments that drew, and from another state than at first."""
    groups: dict[Place, list[tuple[Event, Event]]] = {}
    firsts: dict[int, Event] = {}
    for event in timeline.of(Kind.checkpoint):
        first = firsts.setdefault(event.detail["segment"], event)
        if event.detail["other_random"] and first.place is not None:
            groups.setdefault(first.place, []).append((first, event))
    for place, group in groups.items():
        preserve = group[0][0].detail["preserve"]
        yield CHECK.found(
            place,
            "The segment in `checkpoint` draws random numbers, such as a dropout mask, and drew "
            f"other ones when backward ran it again, {often(len(group))}"
            + ("." if preserve else ": `preserve_rng_state=False`."),
            also=lines((group[0][1], "recomputed")),
            evidence={"times": len(group), "preserve_rng_state": bool(preserve)},
        )
