"""Values that left PyTorch as numbers or arrays, and came back into a loss as constants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import takewhile

from gradbench.diagnosis.finding import Place
from gradbench.diagnosis.flow import Exported, flow_of
from gradbench.diagnosis.origin import ancestors, makers
from gradbench.diagnosis.terms import constant_terms
from gradbench.diagnosis.timeline import Event, Kind, Timeline

VALUES = frozenset(
    ["item", "tolist", "numpy", "__array__", "__float__", "__int__", "__complex__"]
)  # fmt: skip
"""Exports after which a program computes with the value; printing and comparing are others."""

CONSTRUCTORS = frozenset(
    ["tensor", "as_tensor", "asarray", "from_numpy", "frombuffer", "new_tensor",
     "scalar_tensor", "full", "full_like", "new_full"]
)  # fmt: skip

ENOUGH = 3
"""Backward passes over which a number must keep its proportion to what was exported."""

_CLOSE = 1e-5


@lru_cache(maxsize=4)
def exports_of(timeline: Timeline) -> tuple[Exported, ...]:
    """Return the values that left PyTorch to be computed with, where a line is known."""
    return tuple(
        each
        for each in flow_of(timeline).exported
        if each.event.name in VALUES and each.event.place is not None
    )


def came_back(timeline: Timeline, export: Event, root: Event) -> Event | None:
    """Return an operator by which a value that left PyTorch can have come into a loss.

    Args:
        timeline: What was seen.
        export: The export.
        root: The backward pass of the loss.

    Returns:
        The tensor's making, after the export, of nothing but numbers; or an operator that took the
        very number. None where there is none.
    """
    value = export.detail.get("value")
    made = makers(timeline)
    known = _known(timeline, export)
    for event in ancestors(timeline, root):
        if event.index <= export.index:
            continue
        if event.name in CONSTRUCTORS and not event.live and _of_numbers(event):
            return event
        if value is not None and value in (event.detail.get("number"), event.detail.get("factor")):
            return event
        if export.step and any(each > known and each not in made for each in event.inputs):
            # `torch.Tensor(…)` and its like are not told of: the tensor comes from nowhere.
            return event
    return None


def _of_numbers(event: Event) -> bool:
    """Say whether a tensor was made of numbers: `new_tensor` also takes the tensor it is like."""
    return not event.inputs or (event.name.startswith(("new_", "full_")) and len(event.inputs) == 1)


def _known(timeline: Timeline, export: Event) -> int:
    """Return the largest number of a tensor that had been seen when a value left PyTorch."""
    begin = max(0, export.index - timeline.dropped - 200)
    return max(
        (
            number
            for event in takewhile(
                lambda each: each.index <= export.index, timeline.events[begin : begin + 400]
            )
            for number in (*event.inputs, *event.outputs)
        ),
        default=0,
    )


@lru_cache(maxsize=4)
def proportional(timeline: Timeline) -> Mapping[Place, tuple[Event, Event, float, frozenset[int]]]:
    """Find numbers added to losses that are proportional to what one line exported.

    Over at least three backward passes from one line, the number that was added to the loss must
    have changed, and kept its ratio to the sum of what was exported before.

    Args:
        timeline: What was seen.

    Returns:
        By the line of the export: the addition, the backward pass, the ratio, and the leaves that
        the exported values depended on.
    """
    found: dict[Place, tuple[Event, Event, float, frozenset[int]]] = {}
    passes: dict[Place | None, list[Event]] = {}
    for event in timeline.of(Kind.backward):
        if not event.detail["failed"]:
            passes.setdefault(event.place, []).append(event)
    for events in passes.values():
        if len(events) < ENOUGH:
            continue
        series: dict[tuple[Place | None, str], list[tuple[Event, float]]] = {}
        for event in events:
            for term in constant_terms(timeline, event):
                if term.value is not None:
                    key = (term.event.place, term.event.name)
                    series.setdefault(key, []).append((term.event, term.value))
        for added in series.values():
            if len(added) == len(events) and _changes([value for _, value in added]):
                for place, ratio, leaves in _sources(timeline, added):
                    found.setdefault(place, (added[0][0], events[0], ratio, leaves))
    return found


def _changes(values: list[float]) -> bool:
    return max(values) - min(values) > _CLOSE * max(map(abs, values))


def _sources(
    timeline: Timeline, added: list[tuple[Event, float]]
) -> Iterator[tuple[Place, float, frozenset[int]]]:
    """Yield the lines whose exports were in proportion to the number added."""
    sums: dict[Place, list[tuple[float, float]]] = {}
    leaves: dict[Place, frozenset[int]] = {}
    start = -1
    for event, _ in added:
        within: dict[Place, list[float]] = {}
        for each in exports_of(timeline):
            value = each.event.detail.get("value")
            if start < each.event.index < event.index and value is not None:
                assert each.event.place is not None
                within.setdefault(each.event.place, []).append(value)
                leaves[each.event.place] = leaves.get(each.event.place, frozenset()) | each.leaves
        for place, values in within.items():
            sums.setdefault(place, []).append((sum(values), sum(v * v for v in values)))
        start = event.index
    for place, pairs in sums.items():
        if len(pairs) != len(added):
            continue
        for which in (0, 1):
            if any(pair[which] == 0 for pair in pairs):
                continue
            ratios = [value / pair[which] for (_, value), pair in zip(added, pairs, strict=True)]
            if max(ratios) - min(ratios) <= _CLOSE * max(map(abs, ratios)):
                yield place, ratios[0], leaves[place]
                break
