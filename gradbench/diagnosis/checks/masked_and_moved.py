"""Elements whose gradient was masked, and that the step moved all the same."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator

from gradbench.diagnosis.finding import Check, Finding, Severity
from gradbench.diagnosis.history import lines, named
from gradbench.diagnosis.timeline import Event, Kind, Timeline

CHECK = Check(
    id="GB234",
    title="A masked gradient, and weight decay or momentum",
    severity=Severity.warning,
    symptom="moves",
    why=(
        "Weight decay and momentum are added inside of the step, where a mask on the "
        "gradient does not reach: an element with a zero gradient still moves by them."
    ),
    fix=(
        "optimizer.step()\n"
        "with torch.no_grad():\n"
        "    weight.mul_(mask)  # put the masked elements back after the step"
    ),
    atlas=("masked_but_decayed",),
    source="docs: torch.optim.SGD",
)


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for elements that were masked by hand, moved by a step, and not put back after it."""
    masks: dict[int, Event] = {}
    waiting: dict[int, tuple[Event, Event, int, int]] = {}
    found: dict[object, list[tuple[int, Event, Event, int, int]]] = {}
    for event in timeline.events:
        kind = event.kind
        if kind is Kind.write:
            for number in event.detail.get("gradients_of", ()):
                if _masks(timeline, event):
                    masks[number] = event
            for number in event.detail.get("leaves", ()):
                waiting.pop(number, None)
        elif kind is Kind.hook_run and event.detail["returned"]:
            mask = _mask_of_hook(timeline, event)
            if mask is not None:
                masks[event.detail["on"]] = mask
        elif kind is Kind.data_write or (kind is Kind.load and event.name == "module"):
            waiting.clear()
        elif kind is Kind.step:
            for number, zero, moved, other, _ in event.detail["elements"]:
                if number in masks and moved and other:
                    waiting[number] = masks[number], event, moved, zero
            for number in event.detail["held"]:
                masks.pop(number, None)
        elif kind is Kind.backward or (kind is Kind.end and not timeline.ended):
            for number, (mask, step, moved, zero) in waiting.items():
                found.setdefault(mask.place, []).append((number, mask, step, moved, zero))
            waiting.clear()
    for group in found.values():
        number, mask, step, moved, zero = group[0]
        numbers = list(dict.fromkeys(each[0] for each in group))
        if mask.place is not None:
            yield CHECK.found(
                mask.place,
                f"The gradient of {named(timeline, numbers)} is masked here, and {step.name} "
                f"moved {moved} "
                f"of {zero} masked elements all the same: {_by(step)}.",
                parameters=timeline.names(numbers),
                also=lines((step, "step that moved them")),
                evidence={"masked_elements": zero, "moved": moved, "steps": len(group)},
            )


def _by(step: Event) -> str:
    options = step.detail["options"][0] if step.detail["options"] else {}
    if options.get("weight_decay"):
        return f"weight decay ({options['weight_decay']}) does not pass through the mask"
    return "its momentum or moments do not pass through the mask"


def _masks(timeline: Timeline, event: Event) -> bool:
    """Say whether a write into a gradient is a mask: by another tensor's elements or rows."""
    if event.name in ("masked_fill_", "__setitem__", "index_fill_"):
        return True
    return event.name in ("mul_", "__imul__", "_foreach_mul_") and any(
        math.prod(timeline.tensors[n].shape) > 1 for n in event.inputs if n in timeline.tensors
    )


def _mask_of_hook(timeline: Timeline, run: Event) -> Event | None:
    """Return the event by which a hook masked the gradient."""
    first, last = (_position(timeline, index) for index in (run.detail["hook"], run.index))
    for event in timeline.events[first:last]:
        if event.kind is not Kind.op or run.detail["taken"] not in event.inputs:
            continue
        others = [n for n in event.inputs if n != run.detail["taken"] and n in timeline.tensors]
        large = any(math.prod(timeline.tensors[n].shape) > 1 for n in others)
        if event.name in ("masked_fill", "where") or (event.name in ("mul", "__mul__") and large):
            return event
    return None


def _position(timeline: Timeline, index: int) -> int:
    return bisect_left(timeline.events, index, key=lambda event: event.index)
