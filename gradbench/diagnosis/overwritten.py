"""Which write changed a tensor that backward needed, so that autograd refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from gradbench.diagnosis.finding import Place
from gradbench.diagnosis.raised import Raised, raised
from gradbench.diagnosis.timeline import Event, Kind, Timeline


@dataclass(frozen=True)
class Overwritten:
    """A tensor that was saved, written, and needed.

    Args:
        raised: The error.
        changed: The event that tells of the change; None where none was seen.
        saved: The operator that saved the tensor.
        write: The first event since then that wrote it.
    """

    raised: Raised
    changed: Event | None
    saved: Event | None
    write: Event | None

    @property
    def place(self) -> Place:
        """The line of the write, else where it was saved, else where it was raised."""
        for event in (self.write, self.saved):
            if event is not None and event.place is not None:
                return event.place
        return self.raised.place

    @property
    def number(self) -> int | None:
        """Number of the tensor: of the leaf, where it is one."""
        if self.changed is None:
            return None
        leaf = self.changed.detail["leaf"]
        return int(self.changed.detail["tensor"] if leaf is None else leaf)


@lru_cache(maxsize=4)
def overwritten(timeline: Timeline) -> Overwritten | None:
    """Explain the error ``has been modified by an inplace operation``.

    Args:
        timeline: What was seen.

    Returns:
        The write; None where the program did not raise it.
    """
    error = raised(timeline, "has been modified by an inplace operation")
    if error is None:
        return None
    refused = [event for event in timeline.of(Kind.changed) if event.detail["refused"]]
    if not refused:
        return Overwritten(error, None, None, None)
    changed = refused[-1]
    operator = changed.detail["operator"]
    saved = next((event for event in timeline.events if event.index == operator), None)
    write = next(iter(_writes(timeline, changed)), None)
    return Overwritten(error, changed, saved, write)


_NORMALISES = ("batch_norm", "instance_norm")


def _writes(timeline: Timeline, changed: Event) -> Iterator[Event]:
    """Yield the events that wrote a tensor since it was saved, in order."""
    since, leaf = changed.detail["operator"], changed.detail["leaf"]
    seen = {changed.detail["tensor"], leaf} - {None}
    listed = set(changed.detail.get("writes", ()))
    for event in timeline.events:
        if not since < event.index < changed.index:
            continue
        if event.index in listed:
            yield event
        elif event.kind is Kind.step:
            if leaf in event.detail["held"] and leaf not in event.detail["none"]:
                yield event
        elif event.kind is Kind.load:
            if leaf in event.outputs:
                yield event
        elif event.kind is Kind.op and seen & set(event.inputs) and _writes_inputs(event):
            yield event


def _writes_inputs(event: Event) -> bool:
    """Say whether an operator may write what goes in: rows of a table, running statistics."""
    return "embedding" in event.name or event.name in _NORMALISES
