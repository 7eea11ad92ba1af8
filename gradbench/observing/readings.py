"""What instruments say of one ratio, again and again: readings, and how far they scatter."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

CONFIDENCE = 0.95
"""Share of gradbench's intervals that hold the truth, as it states."""

CHANCE = 0.05
"""So many intervals miss by chance alone with at least this probability, or there are too many."""


@dataclass(frozen=True)
class Reading:
    """What one repeat of an instrument said.

    Args:
        ratio: Time of the baseline over the other call's.
        wall_s: Seconds from the bound calls to the answer; gradbench binds its own, so of its
            binding, too.
        low: Lower end of the ratio's 95 % interval; None from an instrument that states none.
        high: Upper end.
    """

    ratio: float
    wall_s: float
    low: float | None = None
    high: float | None = None

    def holds(self, truth: float) -> bool:
        """Say whether its interval holds a ratio; not where it has none."""
        return self.low is not None and self.high is not None and self.low <= truth <= self.high


Said = Mapping[str, Sequence[Reading]]
"""The reading of each repeat, by instrument."""


def logarithms(readings: Sequence[Reading]) -> NDArray[np.float64]:
    """Take the natural logarithm of every ratio, shape (repeats,)."""
    return np.log([reading.ratio for reading in readings])


def spread(readings: Sequence[Reading]) -> float:
    """Take the standard deviation of the log ratio over repeats, two at least."""
    return float(np.std(logarithms(readings), ddof=1))


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
    """Write readings as the column ``repeats`` has them: [ratio, seconds] or with the interval."""
    return json.dumps(
        {
            name: [
                [r.ratio, r.wall_s, *(end for end in (r.low, r.high) if end is not None)]
                for r in readings
            ]
            for name, readings in said.items()
        }
    )


def read(repeats: str) -> dict[str, list[Reading]]:
    """Read what :func:`written` wrote."""
    return {name: [Reading(*each) for each in told] for name, told in json.loads(repeats).items()}
