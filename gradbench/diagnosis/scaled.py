"""Gradients that still have a GradScaler's scale in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from gradbench.diagnosis.history import SCALER, leaf_of_gradient
from gradbench.diagnosis.timeline import Event, Kind, Timeline


@dataclass(frozen=True)
class Scaled:
    """One stretch of time in which a leaf's gradient was scaled.

    Args:
        leaf: Its number.
        scale: The factor.
        backward: What brought the gradient.
        clips: Clips meanwhile.
        reads: Operators and exports that took the gradient, and reads of ``.grad`` that were used.
        written: Whether the program wrote the gradient itself, and may have unscaled it.
        asked: Whether the program asked for the scale meanwhile.
    """

    leaf: int
    scale: float
    backward: Event
    clips: list[Event] = field(default_factory=list)
    reads: list[Event] = field(default_factory=list)
    written: list[Event] = field(default_factory=list)
    asked: list[Event] = field(default_factory=list)


@lru_cache(maxsize=4)
def scaled_gradients(timeline: Timeline) -> tuple[Scaled, ...]:
    """Find when gradients were scaled: from the backward of a scaled loss to ``unscale_``.

    Args:
        timeline: What was seen.

    Returns:
        In order.
    """
    found: list[Scaled] = []
    scales: dict[int, float] = {}
    now: dict[int, Scaled] = {}
    for event in timeline.events:
        if event.kind is Kind.scale:
            _scale(event, scales, now)
        elif event.kind is Kind.op and scales:
            for number in event.inputs:
                if number in scales:
                    scales.update(dict.fromkeys(event.outputs, scales[number]))
        elif event.kind is Kind.backward and not event.detail["failed"]:
            scale = max((scales.get(root, 1.0) for root in event.detail["roots"]), default=1.0)
            for leaf in event.detail["arrived"]:
                if scale > 1.0 and leaf not in now:
                    now[leaf] = Scaled(leaf, scale, event)
                    found.append(now[leaf])
        elif event.kind is Kind.clear:
            for leaf in event.detail["cleared"]:
                now.pop(leaf, None)
        if now and not event.api.startswith(SCALER):
            _touch(timeline, event, now)
    return tuple(found)


def _scale(event: Event, scales: dict[int, float], now: dict[int, Scaled]) -> None:
    if event.name == "scale" and event.detail["enabled"]:
        scales.update(dict.fromkeys(event.outputs, event.detail["scale"]))
    elif event.name in ("unscale_", "step"):
        for leaf in event.detail.get("held", ()):
            now.pop(leaf, None)
    elif event.name == "get_scale":
        for each in now.values():
            each.asked.append(event)


def _touch(timeline: Timeline, event: Event, now: dict[int, Scaled]) -> None:
    """Note what is done with a gradient while it is scaled."""
    if event.kind is Kind.clip:
        for leaf in set(event.detail["clipped"]) & now.keys():
            now[leaf].clips.append(event)
    elif event.kind is Kind.grad_write:
        leaf = event.inputs[0]
        if leaf in now:
            now[leaf].written.append(event)
    elif event.kind is Kind.grad_read:
        leaf = event.inputs[0]
        if leaf in now and not event.detail["none"] and event.detail["use"] == "used":
            now[leaf].reads.append(event)
    elif event.kind is Kind.step:
        for leaf in event.detail["held"]:
            now.pop(leaf, None)
    elif event.kind in (Kind.op, Kind.export, Kind.write):
        for leaf in event.detail.get("gradients_of", ()):
            if leaf in now:
                now[leaf].written.append(event)
        for number in event.inputs:
            taken = leaf_of_gradient(timeline, number)
            if taken is not None and taken in now:
                now[taken].reads.append(event)
