"""Gradients of which only a part is cleared: one optimizer's, and not the other's."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.checks.not_cleared import others_cleared
from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.history import Touch, histories, lines, named, often
from gradbench.diagnosis.stale import Stale, is_use, stale_gradients
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB302",
    title="`zero_grad` clears only a part of the gradients",
    severity=Severity.error,
    symptom="doubled",
    why=(
        "`optimizer.zero_grad()` clears the gradients of its own parameters. Backward reaches "
        "others as well, and theirs add up from step to step."
    ),
    fix="for optimizer in (first, second):\n    optimizer.zero_grad()  # or model.zero_grad()",
    atlas=("zeroed_by_one_optimizer",),
    source="docs: torch.optim.Optimizer.zero_grad",
    sure_after=2,
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for leaves that are not among those which the program clears."""
    groups: dict[Place, list[tuple[Stale, Event]]] = {}
    for stale in stale_gradients(timeline).values():
        clear = others_cleared(timeline, stale)
        if clear is not None and clear.place is not None:
            groups.setdefault(clear.place, []).append((stale, clear))
    for place, group in groups.items():
        leaves = [stale.leaf for stale, _ in group]
        first = group[0][0]
        times = max(stale.times for stale, _ in group)
        yield CHECK.found(
            place,
            f"`zero_grad` clears {len(group[0][1].detail['cleared'])} gradients here, but not "
            f"those of {named(timeline, leaves)}: they add up, {often(times)}, and the step uses "
            f"the sum. The norm grew from {first.norms[0]:.3g} to {first.norms[1]:.3g}.",
            parameters=timeline.names(leaves),
            also=lines((first.added, "backward"), (first.again, "step")),
            evidence={
                "times": times,
                "parameters": len(leaves),
                "norm_first": first.norms[0],
                "norm_last": first.norms[1],
            },
        )
    yield from _unused(timeline)


def _unused(timeline: Timeline) -> Iterator[Finding]:
    """Note gradients that nobody clears and nobody uses, beside others that are cleared."""
    clears = [event for event in timeline.of(Kind.clear) if event.detail["cleared"]]
    groups: dict[Place, list[int]] = {}
    for leaf, moments in histories(timeline).items():
        arrived = [each.event for each in moments if each.touch is Touch.arrived]
        if any(each.touch in _HANDLED or is_use(each) for each in moments) or len(arrived) < 2:
            continue
        last = arrived[-1]
        clear = next(
            (
                event
                for event in clears
                if arrived[0].index < event.index < last.index
                and set(event.detail["cleared"]) & set(last.detail["arrived"])
            ),
            None,
        )
        if clear is not None and clear.place is not None:
            groups.setdefault(clear.place, []).append(leaf)
    for place, leaves in groups.items():
        yield CHECK.found(
            place,
            f"`zero_grad` does not clear the gradients of {named(timeline, leaves)}: they add up, "
            "and no step uses them.",
            parameters=timeline.names(leaves),
            evidence={"parameters": len(leaves)},
            severity=Severity.note,
            fix="model.zero_grad()\n# or, if they are not to be trained:\n"
            "body.requires_grad_(False)",
        )


_HANDLED = (*(Touch.cleared, Touch.assigned, Touch.written, Touch.skipped, Touch.missed),)
