"""Results of `autograd.grad` that share memory, and are written in place."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.history import lines, often
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB331",
    title="Gradients of `autograd.grad` share memory, and one is written in place",
    severity=Severity.error,
    symptom="wrong",
    why=(
        "A sum hands the same gradient to both its terms, and `autograd.grad` returns the one "
        "tensor twice. A write in place to one result changes the other as well."
    ),
    fix="of_a = of_a * 10  # out of place\n# or: of_a, of_b = (g.clone() for g in gradients)",
    atlas=("gradients_share_memory",),
    source="docs: torch.autograd.grad",
    sure_after=0,
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for writes to a gradient that another result shares the memory with."""
    groups: dict[Place, list[tuple[Event, Event, bool]]] = {}
    for made in timeline.of(Kind.gradient):
        shared = set(made.detail.get("shared", ()))
        if not shared:
            continue
        writes: list[tuple[int, Event]] = []
        used: set[int] = set()
        for event in timeline.events:
            if event.index <= made.index:
                continue
            if event.kind is Kind.write:
                writes += [(number, event) for number in event.outputs if number in shared]
            if writes:
                used |= shared & set(event.inputs)
        written = {number for number, _ in writes}
        # A loop over the results that writes each in place writes the shared memory twice.
        again = len({event.place for _, event in writes}) < len(writes)
        for _, write in writes:
            certain = again or bool(used - written)
            if write.place is not None:
                groups.setdefault(write.place, []).append((made, write, certain))
    for place, group in groups.items():
        made, write, _ = group[0]
        yield CHECK.found(
            place,
            f"`{write.name}` writes a gradient from `autograd.grad` in place that shares memory "
            f"with another one of the same call: it changes both, {often(len(group))}.",
            also=lines((made, "gradients made")),
            evidence={"times": len(group), "sharing": len(made.detail["shared"])},
            severity=Severity.error if any(each[2] for each in group) else Severity.note,
        )
