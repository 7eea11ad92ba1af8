"""Why a value that was to be differentiated has no history."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from gradbench.diagnosis.ancestry import ancestors
from gradbench.diagnosis.finding import Place
from gradbench.diagnosis.raised import Raised, raised
from gradbench.diagnosis.timeline import Event, Kind, Timeline


class Reason(str, Enum):
    """What took the history."""

    switch = "switch"  # gradients were switched off in a block or a function around it
    left_off = "left_off"  # set_grad_enabled(False) was called, and never undone
    suspended = "suspended"  # a generator is suspended in its no_grad
    rebound = "rebound"  # a parameter was bound to the result of an update
    gradient = "gradient"  # autograd.grad without create_graph
    cut = "cut"  # an operator whose result has no history: detach, item, argmax
    frozen = "frozen"  # the parameters it depends on were frozen
    numbers = "numbers"  # it was made of numbers, which a tensor had become
    never = "never"  # nothing that it depends on ever required a gradient


@dataclass(frozen=True)
class Unrecorded:
    """A value without history, and the line that took it.

    Args:
        raised: The error.
        reason: What took it.
        cause: The event that did.
        cut: The last operator whose input had a history and whose result has none.
        leaves: Numbers of the leaves that were cut off, or are frozen.
    """

    raised: Raised
    reason: Reason
    cause: Event | None
    cut: Event | None
    leaves: tuple[int, ...]

    @property
    def place(self) -> Place:
        """The line of the cause: of the decorator, where one switched gradients off."""
        decorated = self.cause.detail.get("decorated") if self.cause is not None else None
        if self.reason is Reason.switch and decorated is not None:
            return Place(*decorated)
        for event in (self.cause, self.cut):
            if event is not None and event.place is not None:
                return event.place
        return self.raised.place


@lru_cache(maxsize=4)
def unrecorded(timeline: Timeline) -> Unrecorded | None:
    """Explain the error ``element 0 of tensors does not require grad``.

    Args:
        timeline: What was seen.

    Returns:
        The reason; None where the program did not raise it.
    """
    error = raised(timeline, "of tensors does not require grad", "differentiated Tensors does not")
    if error is None or "differentiated" in error.message:
        return None
    before = error.failed.index if error.failed is not None else error.event.index
    cut: Event | None = None
    leaves: list[int] = []
    gradient = False
    export: Event | None = None
    frozen: list[int] = []
    for event in ancestors(timeline, error.roots, before):
        gradient = gradient or any(_is_gradient(timeline, number) for number in event.inputs)
        if event.cuts:
            cut = cut or event
            if event.kind is not Kind.gradient:
                leaves += [n for n in event.live if timeline.tensors[n].role in _LEAVES]
        if cut is None and not event.inputs and event.name in _FROM_NUMBERS:
            export = export or _export_at(timeline, event)
        frozen += [n for n in event.inputs if timeline.tensors[n].role == "parameter"]
    if cut is None:
        cut, leaves = _reading_of_data(timeline, error, before)
    off = _switch_at(timeline, cut)
    if cut is None:
        reason, cause = _without_cut(timeline, export, frozen, before)
        return Unrecorded(error, reason, cause, cut, tuple(dict.fromkeys(frozen)))
    named = tuple(dict.fromkeys(leaves))
    if cut.kind is Kind.gradient:
        return Unrecorded(error, Reason.gradient, cut, cut, tuple(cut.detail["of"]))
    if cut.grad_mode or off is None:
        return Unrecorded(error, Reason.cut, cut, cut, named)
    if _is_update(timeline, cut):
        return Unrecorded(error, Reason.rebound, cut, cut, named)
    return Unrecorded(error, _how(timeline, off, cut, error), off, cut, named)


_LEAVES = ("parameter", "leaf")
_FROM_NUMBERS = ("tensor", "as_tensor", "from_numpy", "scalar_tensor", "full", "FloatTensor")


def _is_gradient(timeline: Timeline, number: int) -> bool:
    return timeline.tensors[number].role == "gradient"


def _is_update(timeline: Timeline, cut: Event) -> bool:
    """Say whether a cut computes a parameter minus something of its gradient."""
    if len(cut.inputs) < 2 or cut.name not in ("sub", "add", "__sub__", "__add__", "addcdiv"):
        return False
    if not any(timeline.tensors[n].role in _LEAVES for n in cut.live):
        return False
    events = [cut, *ancestors(timeline, cut.inputs, cut.index)]
    return any(
        event.kind is Kind.gradient or any(_is_gradient(timeline, n) for n in event.inputs)
        for event in events[:40]
    )


def _reading_of_data(
    timeline: Timeline, error: Raised, before: int
) -> tuple[Event | None, list[int]]:
    """Find where a leaf's ``.data`` took its place, for which no cut was seen."""
    for event in ancestors(timeline, error.roots, before):
        if event.detail.get("data") and event.live:
            return event, list(event.live)
    return None, []


def _switch_at(timeline: Timeline, cut: Event | None) -> Event | None:
    """Return the event that switched gradients off for a cut."""
    if cut is None or cut.grad_mode:
        return None
    switches = [each for each in timeline.of(Kind.grad_mode) if each.index < cut.index]
    off: Event | None = None
    for each in switches:
        if each.detail["value"]:
            off = None
        elif each.detail["before"]:
            off = each
    return off


def _how(timeline: Timeline, off: Event, cut: Event, error: Raised) -> Reason:
    after = [each for each in timeline.of(Kind.grad_mode) if each.index > off.index]
    undone = any(each.detail["value"] for each in after if each.index < error.event.index)
    if off.api.endswith("grad_mode.__init__"):
        entered = after and after[0].api.endswith("__enter__") and after[0].place == off.place
        if not entered and (not undone or _still_off(error)):
            return Reason.left_off
    if _still_off(error) and off.api.endswith("__enter__") and off.place is not None:
        running = [error.event.place, *error.event.callers]
        if error.failed is not None:
            running += [error.failed.place, *error.failed.callers]
        inside = any(
            place is not None
            and (place.file, place.function) == (off.place.file, off.place.function)
            for place in running
        )
        if not inside:
            return Reason.suspended
    return Reason.switch


def _still_off(error: Raised) -> bool:
    return not (error.failed.grad_mode if error.failed is not None else error.event.grad_mode)


def _export_at(timeline: Timeline, event: Event) -> Event | None:
    """Return the export of a value with a history that may have become these numbers."""
    exports = [each for each in timeline.of(Kind.export) if each.index < event.index and each.live]
    return exports[-1] if exports else None


def _without_cut(
    timeline: Timeline, export: Event | None, frozen: list[int], before: int
) -> tuple[Reason, Event | None]:
    if export is not None:
        return Reason.numbers, export
    switched = [
        event
        for event in timeline.of(Kind.requires_grad)
        if event.index < before and not event.detail["value"] and set(event.outputs) & set(frozen)
    ]
    if switched:
        return Reason.frozen, switched[-1]
    return Reason.never, None
