"""Targets of losses that require a gradient, through what they are compared with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from gradbench.diagnosis.finding import Place
from gradbench.diagnosis.flow import Root, flow_of
from gradbench.diagnosis.origin import ancestors, maker
from gradbench.diagnosis.timeline import Event, Kind, Timeline

LOSSES = frozenset(
    ["mse_loss", "smooth_l1_loss", "huber_loss", "l1_loss", "binary_cross_entropy", "kl_div",
     "binary_cross_entropy_with_logits", "cross_entropy", "poisson_nll_loss",
     "gaussian_nll_loss"]
)  # fmt: skip
"""Losses whose second argument is the target."""

_COMPARES = LOSSES | {"sub", "__sub__", "subtract", "rsub", "__rsub__"}
_NAMED = re.compile(r"(^|_|\.)(targets?|td_?targets?|bootstrap(ped)?)($|_|\d)", re.I)
_SHAPES = frozenset(
    ["unsqueeze", "squeeze", "view", "reshape", "flatten", "__getitem__", "expand",
     "expand_as", "view_as", "to", "float"]
)  # fmt: skip
_DISCOUNTS = (0.5, 1.0)
_NEAR = 300


@dataclass(frozen=True)
class Target:
    """A target that passes a gradient on.

    Args:
        place: The line where it was computed.
        said: Why it is taken for a target.
        loss: The comparison.
        backward: The backward pass.
        shared: Numbers of the leaves that target and prediction depend on.
    """

    place: Place
    said: str
    loss: Event
    backward: Event
    shared: tuple[int, ...]


@lru_cache(maxsize=4)
def targets(timeline: Timeline) -> tuple[Target, ...]:
    """Find targets that require a gradient.

    A tensor is a target if a variable names it so, or if it is a reward and a discounted value:
    the sum of data and of what requires a gradient, times a number between 0.5 and 1.

    Args:
        timeline: What was seen.

    Returns:
        For each line of backward those of its first pass.
    """
    seen: set[Place | None] = set()
    found: list[Target] = []
    for root in flow_of(timeline).roots:
        if root.event.detail["failed"] or root.event.place in seen:
            continue
        seen.add(root.event.place)
        found.extend(_of(timeline, root))
    return tuple(found)


def _of(timeline: Timeline, root: Root) -> Iterator[Target]:
    flow = flow_of(timeline)
    for event in ancestors(timeline, root.event, only_live=True):
        if event.name not in _COMPARES or event.kind is not Kind.op or len(event.live) != 2:
            continue
        sides = event.live if event.live[0] != event.live[1] else ()
        for target, prediction in (sides, sides[::-1]) if sides else ():
            if event.name in LOSSES and target != event.inputs[1]:
                continue
            made = _computed(timeline, target, event.index)
            if made is None or made.place is None:
                continue
            shared = flow.leaves_of(target) & flow.leaves_of(prediction) & root.live
            trained = shared & set(timeline.owners) or shared
            if not trained:
                continue
            said = _why(timeline, target, made)
            if said and not _of_each_other(timeline, target, prediction, event.index):
                leaves = tuple(sorted(trained))
                yield Target(made.place, said, event, root.event, leaves)


def _computed(timeline: Timeline, number: int, before: int) -> Event | None:
    """Return the operator that computed a tensor, behind those that change its shape only."""
    event = maker(timeline, number, before)
    for _ in range(8):
        if event is None or event.kind is not Kind.op:
            return None
        if event.name not in _SHAPES or len(event.live) != 1:
            return event
        further = maker(timeline, event.live[0], event.index)
        if further is None:
            return event
        event = further
    return event


def _why(timeline: Timeline, number: int, made: Event) -> str:
    tensor = timeline.tensors.get(number)
    if tensor is not None and _NAMED.search(tensor.name):
        return f"`{tensor.name}` requires a gradient"
    if _bootstrapped(timeline, made):
        return "this target, data and a discounted value, requires a gradient"
    return ""


def _of_each_other(timeline: Timeline, a: int, b: int, before: int) -> bool:
    """Say whether one side was computed of the other, such as a mean that is subtracted."""
    for start, sought in ((a, b), (b, a)):
        waiting, seen = [(start, before)], {start}
        while waiting and len(seen) < _NEAR:
            number, index = waiting.pop()
            event = maker(timeline, number, index)
            for each in event.inputs if event is not None else ():
                if each == sought:
                    return True
                if each not in seen and event is not None:
                    seen.add(each)
                    waiting.append((each, event.index))
    return False


def _bootstrapped(timeline: Timeline, made: Event) -> bool:
    """Say whether a tensor is the sum of data and of a discounted value."""
    if made.name not in ("add", "__radd__", "__add__") or len(made.inputs) != 2:
        return False
    data = [each for each in made.inputs if each not in made.live]
    if len(data) != 1 or len(made.live) != 1 or flow_of(timeline).cuts_of(data[0]):
        return False
    return _discounted(timeline, made.live[0], made.index)


def _discounted(timeline: Timeline, number: int, before: int) -> bool:
    """Say whether a tensor is something times a number between 0.5 and 1, and masks."""
    for _ in range(6):
        event = maker(timeline, number, before)
        if event is None or event.name not in _SHAPES | {"mul", "__rmul__", "__mul__"}:
            return False
        factor = event.detail.get("factor")
        if factor is not None and _DISCOUNTS[0] <= factor <= _DISCOUNTS[1]:
            return True
        if len(event.live) != 1:
            return False
        number, before = event.live[0], event.index
    return False
