"""A value that leaves PyTorch and comes back as a constant."""

from __future__ import annotations

from collections.abc import Iterator

from gradbench.diagnosis.exports import came_back, exports_of, proportional
from gradbench.diagnosis.finding import Also, Check, Finding, Place, Severity
from gradbench.diagnosis.lost import passes_of, role_of_miss, said_of, unexplained, windows
from gradbench.diagnosis.timeline import Event, Timeline

CHECK = Check(
    id="GB105",
    title="A value that leaves PyTorch by `item`, `float` or `numpy`, and comes back",
    severity=Severity.error,
    symptom="none",
    why=(
        "`item()`, `float()`, `tolist()` and `numpy()` return values without a history. What is "
        "computed with them, and a tensor made of them, is a constant for backward: the way from "
        "the loss to the parameter ends there."
    ),
    fix="loss = error + beta * divergence  # a tensor, without .item() and without NumPy",
    atlas=("loss_from_item",),
    source="docs: torch.Tensor.item",
)

_NAMES = {"__float__": "float", "__int__": "int", "__array__": "numpy", "__complex__": "complex"}


def look(timeline: Timeline) -> Iterator[Finding]:
    """Look for parameters that a loss depends on by way of numbers only."""
    told: set[Place] = set()
    for place, leaves, export, back, missed in _lost(timeline):
        told.add(place)
        also = [(back.place, "comes back"), (missed.place, role_of_miss(missed))]
        yield CHECK.found(
            place,
            f"{said_of(timeline, leaves, passes_of(timeline))}: `{_name(export)}` takes the value "
            f"out of PyTorch here, and it came back by `{back.name.strip('_')}` as a constant.",
            parameters=timeline.names(leaves),
            also=tuple(Also(each, role) for each, role in also if each not in (None, place)),
            evidence={"parameters": len(leaves), "backward_passes": passes_of(timeline),
                      "gradients_received": 0},
        )  # fmt: skip
    for place, (added, backward, ratio, behind) in proportional(timeline).items():
        if place in told or added.place is None:
            continue
        names = timeline.names(sorted(behind))
        yield CHECK.found(
            place,
            f"what `.item()` returns here is added to the loss as a number ({ratio:.4g} times "
            f"its sum): this term is a constant, and {', '.join(names[:2])} get no gradient of it.",
            parameters=names,
            also=(Also(added.place, "added to the loss"),)
            + ((Also(backward.place, "backward"),) if backward.place is not None else ()),
            evidence={"ratio": ratio, "backward_passes": passes_of(timeline)},
            symptom="wrong",
        )


def _lost(
    timeline: Timeline,
) -> Iterator[tuple[Place, tuple[int, ...], Event, Event, Event]]:
    """Yield the lines that leaves were exported at, with what brought the values back."""
    found: dict[Place, tuple[list[int], Event, Event, Event]] = {}
    for leaf in unexplained(timeline):
        for root, missed in windows(timeline, leaf):
            if leaf in root.live:
                continue
            hit = _first_export(timeline, leaf, root.event)
            if hit is not None:
                export, back = hit
                assert export.place is not None
                group = found.setdefault(export.place, ([], export, back, missed))
                group[0].append(leaf)
                break
    for place, (leaves, export, back, missed) in found.items():
        yield place, tuple(leaves), export, back, missed


def _first_export(timeline: Timeline, leaf: int, root: Event) -> tuple[Event, Event] | None:
    added = proportional(timeline)
    for each in exports_of(timeline):
        event = each.event
        if event.index > root.index or leaf not in each.leaves:
            continue
        assert event.place is not None
        if event.place in added:
            return event, added[event.place][0]
        if _is_logging(timeline, event.place) or event.step != root.step:
            continue
        back = came_back(timeline, event, root)
        if back is not None:
            return event, back
    return None


def _is_logging(timeline: Timeline, place: Place) -> bool:
    """Say whether a line also exports what depends on trained leaves alone."""
    return any(
        each.event.place == place and all(leaf in timeline.arrivals for leaf in each.leaves)
        for each in exports_of(timeline)
    )


def _name(export: Event) -> str:
    return _NAMES.get(export.name, export.name) + "()"
