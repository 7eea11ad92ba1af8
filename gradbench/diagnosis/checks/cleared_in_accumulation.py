"""Gradients that are cleared within the loop that is to add them up."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.history import Touch, histories, lines, named
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB304",
    title="`zero_grad` after each micro-batch: only the last one counts",
    severity=Severity.error,
    symptom="lost",
    why=(
        "Several backward passes are to add up to one step. `zero_grad` clears what they brought "
        "before any step has used it, so that the step sees the last one alone."
    ),
    fix=(
        "optimizer.zero_grad()\nfor micro_batch in micro_batches:\n"
        "    (loss(micro_batch) / len(micro_batches)).backward()\noptimizer.step()"
    ),
    atlas=(),
    source="docs: torch.optim.Optimizer.zero_grad",
    sure_after=2,
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for backward passes of which nothing was used before it was cleared."""
    wasted: dict[Event, Event] = {}
    kept: set[Event] = set()
    leaves: dict[Event, list[int]] = {}
    for leaf, moments in histories(timeline).items():
        pending: list[Event] = []
        for moment in moments:
            if moment.touch is Touch.arrived:
                pending.append(moment.event)
                leaves.setdefault(moment.event, []).append(leaf)
                if moment.closure or leaf in moment.event.detail["nonfinite"]:
                    kept.add(moment.event)
            elif moment.touch is Touch.cleared:
                for backward in pending:
                    wasted.setdefault(backward, moment.event)
                pending = []
            else:
                kept.update(pending)
                if moment.touch is not Touch.read:
                    pending = []
        kept.update(pending)
    groups: dict[Place, list[tuple[Event, Event]]] = {}
    for backward, clear in wasted.items():
        if backward not in kept and clear.place is not None:
            groups.setdefault(clear.place, []).append((backward, clear))
    for place, group in groups.items():
        step = _next_step(timeline, group[0][1], leaves[group[0][0]])
        if step is None or not _regular(timeline, group, leaves[group[0][0]]):
            continue
        concerned = leaves[group[0][0]]
        passes = sum(bool(set(concerned) & set(leaves.get(each, ()))) for each in leaves)
        yield CHECK.found(
            place,
            f"`zero_grad` clears the gradients of {named(timeline, concerned)} before any step has "
            f"used them: {len(group)} of {passes} backward passes are lost, and only the last "
            "micro-batch before a step counts.",
            parameters=timeline.names(concerned),
            also=lines((group[0][0], "backward that is lost"), (step, "step")),
            evidence={"lost": len(group), "backward_passes": passes},
        )


def _regular(timeline: Timeline, group: list[tuple[Event, Event]], leaves: list[int]) -> bool:
    """Say whether nearly each step comes after a lost pass: a batch skipped now and then is not."""
    steps = [
        event.index
        for event in timeline.of(Kind.step)
        if set(leaves) & set(event.detail["held"]) - set(event.detail["none"])
    ]
    lost = [backward.index for backward, _ in group]
    cycles = list(zip([-1, *steps], steps, strict=False))
    with_lost = sum(any(begin < index < end for index in lost) for begin, end in cycles)
    return with_lost > 1 and with_lost >= 0.8 * len(cycles)


def _next_step(timeline: Timeline, after: Event, leaves: list[int]) -> Event | None:
    return next(
        (
            event
            for event in timeline.of(Kind.step)
            if event.index > after.index and set(leaves) & set(event.detail["held"])
        ),
        None,
    )
