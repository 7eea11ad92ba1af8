"""Gradients of another loss, left in the parameters until their own step."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.history import Moment, Touch, histories, lines, named
from gradbench.diagnosis.stale import is_use, stale_gradients
from gradbench.diagnosis.timeline import Event, Timeline

CHECK = Check(
    id="GB305",
    title="Gradients of another loss are left over, and added up in this step",
    severity=Severity.warning,
    symptom="doubled",
    why=(
        "Backward of one network's loss, such as a discriminator's, also reaches the other "
        "network. Its gradients stay there until `zero_grad`; the other one's own backward adds "
        "to them, and its step uses the sum of both losses."
    ),
    fix=(
        "fake = generator(noise)\nloss = d_loss(discriminator(fake.detach()))  # cut off\n"
        "g_optimizer.zero_grad()  # cleared right before its own backward\n"
        "g_loss(discriminator(fake)).backward()"
    ),
    atlas=(),
    source="docs: torch.Tensor.backward",
    sure_after=2,
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for gradients of a backward pass that served the step of another optimizer."""
    groups: dict[Place, list[tuple[int, Event, Event, Event, int]]] = {}
    stale = stale_gradients(timeline)
    for leaf, moments in histories(timeline).items():
        if leaf in stale:
            continue
        found = list(_left(moments))
        if len(found) > 1 and found[0][0].place is not None:
            left, own, step = found[0]
            assert left.place is not None
            groups.setdefault(left.place, []).append((leaf, left, own, step, len(found)))
    for place, group in groups.items():
        leaves = [leaf for leaf, *_ in group]
        _, left, own, step, times = group[0]
        yield CHECK.found(
            place,
            f"This backward also reaches {named(timeline, leaves)}, which another optimizer "
            f"steps: the gradients are not cleared by `zero_grad`, the next backward adds up with "
            f"what is left over, and the step uses the sum, {times} times.",
            parameters=timeline.names(leaves),
            also=lines((own, "backward that adds"), (step, "step that uses the sum")),
            evidence={"times": times, "parameters": len(leaves)},
        )


def _left(moments: tuple[Moment, ...]) -> Iterator[tuple[Event, Event, Event]]:
    """Yield a backward whose step was another's, the leaf's own backward, and its own step."""
    waiting: list[Event] = []
    for moment in moments:
        if moment.touch is Touch.arrived:
            waiting.append(moment.event)
        elif moment.touch in (Touch.stepped, Touch.moved):
            if is_use(moment) and len(waiting) > 1:
                for left, own in itertools.pairwise(waiting):
                    if _other(left, own) and left.step < own.step:
                        yield left, own, moment.event
                        break
            waiting = []
        elif moment.touch in (Touch.cleared, Touch.assigned, Touch.written, Touch.skipped):
            waiting = []


def _other(left: Event, own: Event) -> bool:
    """Say whether two backward passes were run from different lines."""
    return (left.place, left.callers) != (own.place, own.callers)
