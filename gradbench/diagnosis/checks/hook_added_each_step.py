"""A hook that is registered on a leaf anew in each step."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Place, Severity
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB434",
    title="A hook registered in every step",
    severity=Severity.error,
    symptom="doubled",
    why=(
        "A hook on a parameter stays until it is removed. Registered in the loop it runs once more "
        "in each step, and what it does to the gradient is done several times."
    ),
    fix="handle = w.register_hook(scale)  # once, before the loop\n# or handle.remove() after it",
    atlas=("hook_added_each_step",),
    source="docs: torch.Tensor.register_hook",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for like hooks on one leaf, with a backward pass between their registrations."""
    passes = [event.index for event in timeline.of(Kind.backward)]
    first: dict[tuple[int, Place], Event] = {}
    found: dict[Place, dict[int, Event]] = {}
    for event in timeline.of(Kind.hook):
        if not event.detail["leaf"] or event.place is None:
            continue
        before = first.setdefault((event.inputs[0], event.place), event)
        if event.detail["alike"] < 2:
            continue
        if any(before.index < index < event.index for index in passes):
            # The last of each leaf: its count is the highest.
            found.setdefault(event.place, {})[event.inputs[0]] = event
    for place, events in found.items():
        most = max(event.detail["alike"] for event in events.values())
        names = timeline.names(list(events))
        number = next(iter(events))
        yield CHECK.found(
            place,
            f"`{events[number].name}` is called here again and again: {most} like hooks are on "
            f"{', '.join(names[:2]) or timeline.name(number)} and run one after the other in each "
            "backward pass.",
            parameters=names,
            evidence={"hooks": most, "tensors": len(events)},
        )
