"""What tensor hooks of the program did while they ran."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from gradbench.diagnosis.finding import Place
from gradbench.diagnosis.timeline import Event, Kind, Timeline


@dataclass(frozen=True)
class HookRun:
    """One run of a tensor hook.

    Args:
        event: Of kind ``hook_run``.
        within: What happened while it ran, in order.
        registered: Where a hook was registered on this tensor last; None if it was not seen.
    """

    event: Event
    within: tuple[Event, ...]
    registered: Event | None

    @property
    def on(self) -> int:
        """Number of the tensor that the hook is on."""
        return int(self.event.detail["on"])

    @property
    def taken(self) -> int:
        """Number of the gradient that the hook was given."""
        return int(self.event.detail["taken"])

    @property
    def place(self) -> Place | None:
        """The line at which the hook was registered."""
        return self.registered.place if self.registered is not None else self.event.place


@lru_cache(maxsize=4)
def hook_runs(timeline: Timeline) -> tuple[HookRun, ...]:
    """Return each run of a tensor hook, with what happened in it.

    Args:
        timeline: What was seen.

    Returns:
        In order.
    """
    registered: dict[int, list[Event]] = {}
    for event in timeline.of(Kind.hook):
        registered.setdefault(event.inputs[0], []).append(event)
    runs = timeline.of(Kind.hook_run)
    if not runs:
        return ()
    position = {event.index: place for place, event in enumerate(timeline.events)}
    found = []
    for event in runs:
        last = position[event.index]
        first = last
        while first and timeline.events[first - 1].index >= event.detail["hook"]:
            first -= 1
        before = [
            each
            for each in registered.get(event.detail["on"], ())
            if each.index < event.index and not each.detail["accumulated"]
        ]
        found.append(HookRun(event, timeline.events[first:last], before[-1] if before else None))
    return tuple(found)
