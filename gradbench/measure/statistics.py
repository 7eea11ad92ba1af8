"""Intervals for times and paired ratios from replicates of interleaved rounds."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95
CONTROL_LIMIT = 1.25
"""A round whose bandwidth control takes this many times its best is disturbed."""

Times: TypeAlias = NDArray[np.float64]
"""Seconds per call, replicates × rounds; NaN where there is no sample or it does not count."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval.

    Args:
        estimate: Best guess.
        low: Lower end.
        high: Upper end.
    """

    estimate: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Relative half-width, √(high/low) − 1; infinite where the interval is unknown."""
        if not (self.low > 0 and math.isfinite(self.high)):
            return math.inf
        return math.sqrt(self.high / self.low) - 1


def time_interval(times: Times) -> Interval | None:
    """Estimate a time.

    Args:
        times: Seconds, replicates × rounds.

    Returns:
        Geometric mean over replicates of the median over rounds, with the interval of
        :func:`_across_replicates`; None without a single sample.
    """
    return _across_replicates(np.log(times))


def ratio_interval(numerator: Times, denominator: Times) -> Interval | None:
    """Estimate a ratio of times measured in the same rounds.

    Pairing by round removes what both share: the machine's speed at that moment.

    Args:
        numerator: Seconds, replicates × rounds.
        denominator: Seconds, same shape and rounds.

    Returns:
        Geometric mean over replicates of the median over rounds of the paired ratios, with its
        interval; None without a single pair.
    """
    return _across_replicates(np.log(numerator) - np.log(denominator))


def _across_replicates(logarithms: Times) -> Interval | None:
    """Student's interval over the replicates' medians.

    With m̄ and s the mean and standard deviation of the R medians, m̄ ± t(R−1)·s/√R, then exp.
    What varies within a replicate and what varies between allocations are both in s. A bootstrap
    over so few replicates would be too narrow: it knows neither t's tails nor the lost degree of
    freedom (Hesterberg, What Teachers Should Know about the Bootstrap, 2015).
    """
    if logarithms.size == 0:
        return None
    with warnings.catch_warnings():  # a replicate without a clean sample has no median
        warnings.simplefilter("ignore", RuntimeWarning)
        medians = np.nanmedian(logarithms, axis=1)
    medians = medians[np.isfinite(medians)]
    if medians.size == 0:
        return None
    middle = float(medians.mean())
    if medians.size == 1:
        return Interval(math.exp(middle), 0.0, math.inf)
    error = float(stats.sem(medians))
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, medians.size - 1)) * error
    # exp of a hopeless interval is infinite, not an error.
    high = math.exp(min(middle + reach, 700.0))
    return Interval(math.exp(middle), math.exp(max(middle - reach, -700.0)), high)


def noise_floor(twin: Interval | None) -> float | None:
    """Turn the interval of twin over baseline into one figure.

    Args:
        twin: Interval of the ratio of two identical cells.

    Returns:
        max(high, 1/low) − 1, the largest departure from 1 it admits; None if unknown.
    """
    if twin is None or not (twin.low > 0 and math.isfinite(twin.high)):
        return None
    return max(twin.high, 1 / twin.low) - 1


def slow_rounds(control: Times) -> NDArray[np.bool_]:
    """Find the rounds in which the bandwidth control was far below its best.

    Args:
        control: Seconds of the control, replicates × rounds.

    Returns:
        True where it took more than ``CONTROL_LIMIT`` times its first decile, same shape. The
        decile, because the very best of many samples is luck.
    """
    if not np.isfinite(control).any():
        return np.zeros(control.shape, dtype=bool)
    best = np.nanquantile(control, 0.1)
    slow: NDArray[np.bool_] = control > CONTROL_LIMIT * best
    return slow
