"""Two tensors of a loss whose shapes broadcast to more elements than either has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

from gradbench.diagnosis.ancestry import maker
from gradbench.diagnosis.finding import Place
from gradbench.diagnosis.timeline import Event, Kind, Timeline


@dataclass(frozen=True)
class Crossing:
    """A loss of (n, 1) and (n,).

    Args:
        event: The operator in which the two meet.
        place: Its line.
        shapes: Theirs.
        result: What they broadcast to.
        backward: The backward pass of the loss.
        times: How often it happened.
        certain: Whether it cannot be meant.
    """

    event: Event
    place: Place
    shapes: tuple[Sequence[int], Sequence[int]]
    result: Sequence[int]
    backward: Event
    times: int
    certain: bool


LOSSES = frozenset(
    (
        "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy",
        "soft_margin_loss", "poisson_nll_loss", "gaussian_nll_loss", "hinge_embedding_loss",
        "binary_cross_entropy_with_logits"
    )
)  # fmt: skip
_DIFFERENCES = frozenset(("sub", "rsub", "__sub__", "__rsub__", "subtract"))
_PRODUCTS = frozenset(("mul", "__mul__", "__rmul__", "multiply"))
_ELEMENTWISE = frozenset(
    (
        "pow", "__pow__", "square", "abs", "neg", "__neg__", "div", "__truediv__", "true_divide",
        "sqrt", "log1p", "log", "cosh", "exp", "add", "__add__", "__radd__", "sub", "rsub",
        "__sub__", "mul", "__mul__", "__rmul__", "min", "max", "minimum", "maximum", "where",
        "clamp", "float", "to",
    )
)  # fmt: skip
_REDUCTIONS = frozenset(("mean", "sum", "nanmean", "median"))
_WIDENS = frozenset(("unsqueeze", "__getitem__", "view", "reshape", "expand", "unsqueeze_"))
_CHAIN = 12


@lru_cache(maxsize=4)
def crossings(timeline: Timeline) -> tuple[Crossing, ...]:
    """Find losses of shapes that broadcast, one for each line.

    Args:
        timeline: What was seen.

    Returns:
        The first at each line; differences of pairs that are widened on purpose are left out.
    """
    found: dict[tuple[Place, str], list[tuple[Event, Sequence[int], Event, bool]]] = {}
    for event in timeline.of(Kind.op):
        shapes = event.detail.get("shapes")
        if shapes is None or event.place is None or not event.live:
            continue
        loss = event.name in LOSSES
        if not loss and event.name not in _DIFFERENCES and event.name not in _PRODUCTS:
            continue
        result = _crossed(*shapes)
        if result is None or (not loss and not _is_column(timeline, event, *shapes)):
            continue
        backward = _became_loss(timeline, event, loss)
        if backward is not None:
            certain = loss or event.name in _DIFFERENCES
            found.setdefault((event.place, event.name), []).append(
                (event, result, backward, certain)
            )
    return tuple(
        Crossing(
            event=group[0][0],
            place=place,
            shapes=group[0][0].detail["shapes"],
            result=group[0][1],
            backward=group[0][2],
            times=len(group),
            certain=group[0][3],
        )
        for (place, _), group in found.items()
    )


def _crossed(a: Sequence[int], b: Sequence[int]) -> tuple[int, ...] | None:
    """Return what two shapes broadcast to, where it has more elements than either."""
    length = max(len(a), len(b))
    wide = [(1,) * (length - len(shape)) + tuple(shape) for shape in (a, b)]
    if any(x != y and 1 not in (x, y) for x, y in zip(*wide, strict=True)):
        return None
    result = tuple(max(x, y) for x, y in zip(*wide, strict=True))
    return result if prod(result) > max(prod(a), prod(b)) else None


def _is_column(timeline: Timeline, event: Event, a: Sequence[int], b: Sequence[int]) -> bool:
    """Say whether a column (n, 1) meets (n,), one of them learned, and neither widened for it."""
    if abs(len(a) - len(b)) != 1 or len(event.inputs) != 2:
        return False
    long, short = (0, 1) if len(a) > len(b) else (1, 0)
    shapes = (a, b)
    if tuple(shapes[long]) != (*shapes[short], 1) or len(shapes[short]) != 1:
        return False
    if len(event.live) != 1:
        return False  # of two that learn, pairs may be meant
    made = maker(timeline, event.inputs[long], event.index)
    if made is None or made.name not in _WIDENS or event.place is None or made.place is None:
        return True
    near = made.place.file == event.place.file and abs(made.place.line - event.place.line) <= 2
    widened = len(timeline.tensors[made.inputs[0]].shape) < 2 if made.inputs else False
    return not (near and widened)


def _became_loss(timeline: Timeline, event: Event, loss: bool) -> Event | None:
    """Return the backward pass of the loss that an operator's result became."""
    reached = set(event.outputs)
    scalar = loss
    steps = 0
    for later in _after(timeline, event.index):
        if later.kind is Kind.backward:
            if reached & set(later.detail["roots"]):
                return later
            if later.step > event.step + 1:
                return None
            continue
        if later.kind not in (Kind.op, Kind.scale) or not reached & set(later.inputs):
            continue
        if not scalar:
            steps += 1
            if steps > _CHAIN:
                return None
            if later.name in _REDUCTIONS:
                outputs = [timeline.tensors[number].shape for number in later.outputs]
                if prod(outputs[0]) != 1:
                    return None
                # From here on it is a part of the loss, whatever is done with it.
                scalar = True
                reached = set(later.outputs)
                continue
            if later.name not in _ELEMENTWISE:
                return None
        if later.out_live:
            reached.update(later.outputs)
    return None


def _after(timeline: Timeline, index: int) -> Iterator[Event]:
    """Yield the events after an index, as far as one step reaches."""
    if timeline.dropped:
        yield from (event for event in timeline.events if event.index > index)
        return
    # Indices are positions where nothing was dropped.
    yield from timeline.events[index + 1 : index + 5000]
