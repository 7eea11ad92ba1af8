"""A timeline as a strip of a few kinds of events, for the page's picture."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.tell.shown_path import shown_path
from gradbench.diagnosis.timeline import Kind, Timeline

Mark = tuple[int, str, str]
"""Step, kind and label of what happened."""

KINDS = ("forward", "backward", "clip", "step", "zero", "write", "error")
"""What a strip tells apart."""

_OF = {
    **dict.fromkeys((Kind.op, Kind.function, Kind.checkpoint, Kind.compiled), "forward"),
    **dict.fromkeys((Kind.backward, Kind.gradient, Kind.functional), "backward"),
    **dict.fromkeys((Kind.clip, Kind.scale), "clip"),
    **dict.fromkeys((Kind.write, Kind.grad_write, Kind.data_write, Kind.load), "write"),
    Kind.step: "step",
    Kind.clear: "zero",
    Kind.error: "error",
}


def strip_of(timeline: Timeline, folder: str = "") -> tuple[Mark, ...]:
    """Reduce a timeline to what its picture shows.

    Args:
        timeline: What the program did.
        folder: The working directory: paths below it are told short.

    Returns:
        Step, kind (one of `KINDS`) and label (``train.py:41 linear``) of each event, in order;
        events that follow each other on the same line, of the same kind, are one.
    """
    return tuple(_marks(timeline, folder))


def _marks(timeline: Timeline, folder: str) -> Iterator[Mark]:
    last = None
    for event in timeline.events:
        kind = _OF.get(event.kind)
        if kind is None:
            continue
        here = (event.step, kind, event.place)
        if here != last:
            place = event.place
            where = f"{shown_path(place.file, folder)}:{place.line} " if place else ""
            yield event.step, kind, f"{where}{event.name}"
        last = here
