"""What instruments say of one ratio, again and again: readings, and how far they scatter."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from gradbench.statistics.selection import lies_apart

CONFIDENCE = 0.95
"""Share of gradbench's intervals that hold the truth, as it states."""

CHANCE = 0.05
"""So many intervals miss by chance alone with at least this probability, or there are too many."""

PLACES = ("unknown", "together", "apart")
"""Where a machine's processors lie; unknown where there is no exchange control."""


@dataclass(frozen=True)
class Reading:
    """What one repeat of an instrument said.

    Args:
        ratio: Time of the baseline over the other call's.
        wall_s: Seconds from the bound calls to the answer; gradbench binds its own, so of its
            binding, too.
        low: Lower end of the ratio's 95 % interval; None from an instrument that states none.
        high: Upper end.
        exchange_s: Time of the exchange control before the repeat and after it, in seconds; None
            where there is none.
    """

    ratio: float
    wall_s: float
    low: float | None = None
    high: float | None = None
    exchange_s: tuple[float, float] | None = None

    def holds(self, truth: float) -> bool:
        """Say whether its interval holds a ratio; not where it has none."""
        return self.low is not None and self.high is not None and self.low <= truth <= self.high


Said = Mapping[str, Sequence[Reading]]
"""The reading of each repeat, by instrument."""


def logarithms(readings: Sequence[Reading]) -> NDArray[np.float64]:
    """Take the natural logarithm of every ratio, shape (repeats,)."""
    return np.log([reading.ratio for reading in readings])


def least_exchange_s(every: Iterable[Said]) -> float:
    """Find what the exchange control takes where processors lie together, in seconds.

    The twentieth part takes less; the least of all would be one lucky turn. 0 if none has it.
    """
    readings = (each for said in every for told in said.values() for each in told)
    seconds = [each_s for reading in readings for each_s in reading.exchange_s or ()]
    return float(np.quantile(seconds, 0.05, method="lower")) if seconds else 0.0


def by_place(readings: Sequence[Reading], least_s: float) -> dict[str, list[Reading]]:
    """Part readings by where the processors lay, which changes the ratio itself.

    Args:
        readings: Of an instrument.
        least_s: Time of the exchange control where they lie together, in seconds.

    Returns:
        By "together", "apart" or, where there is no control, "unknown": the readings. Those before
        and after which the processors lay differently are in none.
    """
    parted: dict[str, list[Reading]] = {}
    for reading in readings:
        apart = {lies_apart(seconds, least_s) for seconds in reading.exchange_s or ()}
        if len(apart) < 2:
            place = PLACES[1 + apart.pop()] if apart else PLACES[0]
            parted.setdefault(place, []).append(reading)
    return dict(sorted(parted.items(), reverse=True))


def spread(parted: Iterable[Sequence[Reading]]) -> float:
    """Take the standard deviation of the log ratio over the repeats of a place.

    Args:
        parted: The readings of each place.

    Returns:
        The root of the sum of squares within places, over repeats less places; NaN where none has
        two repeats.
    """
    values = [logarithms(readings) for readings in parted if len(readings)]
    squares = sum(float(((each - each.mean()) ** 2).sum()) for each in values)
    freedom = sum(each.size - 1 for each in values)
    return math.sqrt(squares / freedom) if freedom else math.nan


def middle(readings: Sequence[Reading]) -> float:
    """Take the median ratio."""
    return float(np.median([reading.ratio for reading in readings]))


def enough_hold(held: int, repeats: int) -> bool:
    """Say whether no more 95 % intervals miss than chance allows: P(K ≤ held) ≥ 5 %, exact.

    Args:
        held: Intervals that hold the truth.
        repeats: All of them, one at least.

    Returns:
        Whether that many or fewer of K ~ B(repeats, 0.95) are no surprise.
    """
    found = binomtest(held, repeats, CONFIDENCE, alternative="less")
    return bool(found.pvalue >= CHANCE)


def written(said: Said) -> str:
    """Write readings as the column ``repeats`` has them: lists of their fields, as far as known."""
    return json.dumps({name: [_fields(r) for r in readings] for name, readings in said.items()})


def _fields(reading: Reading) -> list[object]:
    fields = list(astuple(reading))
    while fields[-1] is None:
        fields.pop()
    return fields


def read(repeats: str) -> dict[str, list[Reading]]:
    """Read what :func:`written` wrote."""
    return {name: [_reading(*each) for each in told] for name, told in json.loads(repeats).items()}


def _reading(
    ratio: float,
    wall_s: float,
    low: float | None = None,
    high: float | None = None,
    exchange_s: Sequence[float] | None = None,
) -> Reading:
    before_after = None if exchange_s is None else (exchange_s[0], exchange_s[1])
    return Reading(ratio, wall_s, low, high, before_after)
