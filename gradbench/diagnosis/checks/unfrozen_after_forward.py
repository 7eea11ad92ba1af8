"""A parameter that was unfrozen after the forward pass had used it."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Also, Check, Finding, Place, Severity
from gradbench.diagnosis.lost import passes_of, said_of, unexplained, windows
from gradbench.diagnosis.origin import ancestors
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB120",
    title="`requires_grad_()` between forward and backward",
    severity=Severity.error,
    symptom="none",
    why=(
        "Whether an operator is recorded for an input is decided when it runs. Where "
        "`requires_grad` is set after the forward pass, that pass was not recorded for the tensor."
    ),
    fix="w.requires_grad_()  # before the forward pass\nloss = criterion(model(x), y)",
    atlas=("unfrozen_after_forward",),
    source="docs: notes/autograd, Setting requires_grad",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for leaves that a loss used before they required a gradient."""
    found: dict[Place, tuple[list[int], Event, Event]] = {}
    for leaf in unexplained(timeline):
        for root, _ in windows(timeline, leaf):
            switch = _switch(timeline, leaf, root.event)
            used = _used(timeline, leaf, root.event, switch) if switch is not None else None
            if switch is not None and switch.place is not None and used is not None:
                found.setdefault(switch.place, ([], used, root.event))[0].append(leaf)
                break
    for place, (leaves, used, backward) in found.items():
        also = [(used.place, "used before"), (backward.place, "backward")]
        yield CHECK.found(
            place,
            f"{said_of(timeline, tuple(leaves), passes_of(timeline))}: `requires_grad` was set "
            f"here, after `{used.name.strip('_')}` of the forward pass had used it and before "
            "`backward`.",
            parameters=timeline.names(leaves),
            also=tuple(Also(each, role) for each, role in also if each not in (None, place)),
            evidence={"parameters": len(leaves), "gradients_received": 0},
        )


def _switch(timeline: Timeline, leaf: int, root: Event) -> Event | None:
    """Return the last event that made a leaf require a gradient before a backward pass."""
    found = None
    for event in timeline.of(Kind.requires_grad):
        if event.index < root.index and event.outputs == (leaf,):
            found = event if event.detail["value"] and not event.detail["before"] else found
    return found


def _used(timeline: Timeline, leaf: int, root: Event, switch: Event) -> Event | None:
    """Return an operator of the loss that took the leaf before it required a gradient."""
    for event in ancestors(timeline, root):
        frozen = leaf in event.inputs and leaf not in event.live and event.index < switch.index
        if frozen and event.kind in (Kind.op, Kind.function) and event.grad_mode:
            return event
    return None
