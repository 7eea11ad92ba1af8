"""Which event wrote a tensor that had been saved for backward, unseen by autograd."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.timeline import Event, Kind, Timeline

NORMALISES = ("batch_norm", "instance_norm")


def writers_of(
    timeline: Timeline, numbers: set[int], since: int, until: int, listed: set[int] | None = None
) -> Iterator[Event]:
    """Yield the events that wrote some tensors, in order.

    Args:
        timeline: What was seen.
        numbers: Of the tensors.
        since: Index of the event after which to look.
        until: Index of the event before which to look.
        listed: Indices of writes that are known to be ones.

    Yields:
        Writes, assignments to ``.data``, steps, loads, and normalisations in training mode.
    """
    for event in timeline.events:
        if not since < event.index < until:
            continue
        if event.index in (listed or ()):
            yield event
        elif event.kind is Kind.write:
            if numbers & {*event.outputs, *event.detail.get("leaves", ())}:
                yield event
        elif event.kind in (Kind.data_write, Kind.load):
            if numbers & set(event.outputs):
                yield event
        elif event.kind is Kind.step:
            if numbers & set(event.detail["moved"]):
                yield event
        elif numbers & set(event.inputs) and _normalises(event):
            yield event


def _normalises(event: Event) -> bool:
    """Say whether a normalisation updates its running statistics."""
    return event.kind is Kind.op and event.name in NORMALISES and bool(event.detail.get("training"))
