"""Terms of a loss: what is added up to the number that backward starts from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from gradbench.diagnosis.origin import maker
from gradbench.diagnosis.timeline import Event, Kind, Timeline

_ADDS = frozenset(
    ["add", "sub", "__radd__", "__rsub__", "rsub", "__add__", "__sub__", "subtract", "add_",
     "sub_", "__iadd__", "__isub__", "stack", "cat", "hstack"]
)  # fmt: skip
_SCALES = frozenset(
    ["mul", "__rmul__", "__mul__", "div", "truediv", "__truediv__", "mean", "sum", "neg",
     "squeeze", "reshape", "view", "mul_", "div_"]
)  # fmt: skip

_DEEPEST = 200


@dataclass(frozen=True)
class Term:
    """A term of a loss that passes no gradient on.

    Args:
        event: The addition.
        number: The tensor that was added; None where it was a number of Python.
        value: That number.
    """

    event: Event
    number: int | None
    value: float | None = None


@lru_cache(maxsize=64)
def constant_terms(timeline: Timeline, root: Event) -> tuple[Term, ...]:
    """Find the terms of a loss that are constants.

    Sums, means and factors that are numbers are gone back through; all else ends a term.

    Args:
        timeline: What was seen.
        root: The backward pass.

    Returns:
        The terms, in no order.
    """
    return tuple(_terms(timeline, root))


def _terms(timeline: Timeline, root: Event) -> Iterator[Term]:
    waiting = [(number, root.index) for number in root.detail["roots"]]
    for _ in range(_DEEPEST):
        if not waiting:
            return
        number, before = waiting.pop()
        event = maker(timeline, number, before)
        if event is None or event.kind not in (Kind.op, Kind.write):
            continue
        if event.name in _ADDS:
            if "number" in event.detail:
                yield Term(event, None, event.detail["number"])
            for each in event.inputs:
                if each in event.live:
                    waiting.append((each, event.index))
                else:
                    yield Term(event, each)
        elif event.name in _SCALES and len(event.inputs) == 1:
            waiting.extend((each, event.index) for each in event.live)
        else:
            continue
        if event.kind is Kind.write:
            waiting.extend((each, event.index) for each in event.outputs)
