"""A frozen BatchNorm whose running statistics go on following the data."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.history import lines, named, often
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB235",
    title="A frozen `BatchNorm` in training mode",
    severity=Severity.warning,
    symptom="moves",
    why=(
        "Running mean and variance are buffers, not parameters: in training mode they "
        "follow the data whether the parameters are frozen or not, and the frozen part "
        "gives other results than it did."
    ),
    fix=("model.train()\nmodel.backbone.eval()  # after each model.train()"),
    atlas=("statistics_not_frozen",),
    source="docs: notes/autograd, Evaluation Mode",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for batch norms in training mode whose parameters are frozen all the time."""
    froze: dict[int, Event] = {}
    mode: dict[int, Event] = {}
    seen: dict[int, tuple[Event, int]] = {}
    thawed: set[int] = set()
    for event in timeline.of(Kind.requires_grad, Kind.assign, Kind.op):
        if event.kind is Kind.requires_grad:
            if event.detail["value"]:
                thawed.update(event.outputs if event.outputs[0] in froze else ())
            else:
                froze.update(dict.fromkeys(event.outputs, event))
        elif event.kind is Kind.assign:
            if event.detail["what"] == "mode":
                mode.update(dict.fromkeys(event.inputs, event) if event.detail["value"] else {})
        elif event.name == "batch_norm" and event.grad_mode and event.detail.get("training"):
            if not event.detail.get("statistics"):
                continue
            for number in event.inputs:
                if number in froze and number not in event.live:
                    first, times = seen.get(number, (event, 0))
                    seen[number] = first, times + 1
    moved = {n for e in timeline.of(Kind.step) for n in e.detail["moved"]}
    copies = {n for e in timeline.of(Kind.copy) for n in e.outputs}
    still = {n: one for n, one in seen.items() if not ({n} & (thawed | moved | copies))}
    groups: dict[tuple[Place | None, bool], list[int]] = {}
    for number in still:
        if (
            number in timeline.arrivals
            and timeline.arrivals[number][-1].index > froze[number].index
        ):
            continue
        later = mode.get(number)
        cause = later if later is not None and later.index > froze[number].index else froze[number]
        trains = _trains_beside(timeline, number, moved)
        groups.setdefault((cause.place, trains), []).append(number)
    for (place, trains), numbers in groups.items():
        first, times = still[numbers[0]]
        at = place or first.place
        if at is not None:
            yield CHECK.found(
                at,
                f"{named(timeline, numbers)} of a `BatchNorm` is frozen, and it ran "
                f"{often(times)} in "
                "training mode: its running statistics followed the batches. Call `.eval()` on it "
                "after `train()`.",
                parameters=timeline.names(numbers),
                also=lines((first, "forward in training mode"), (froze[numbers[0]], "frozen")),
                evidence={"passes_in_training_mode": times, "frozen_parameters": len(numbers)},
                severity=Severity.warning if trains else Severity.note,
            )


def _trains_beside(timeline: Timeline, number: int, moved: set[int]) -> bool:
    root = timeline.tensors[number].root
    return root != 0 and any(
        timeline.tensors[each].root == root for each in moved if each in timeline.tensors
    )
