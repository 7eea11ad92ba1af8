"""Intervals, and what ranks say of replicates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
CONTROL_LIMIT = 1.25
"""A round whose bandwidth control takes this many times its best is disturbed."""

FEWEST_RANKED = 6
"""Replicates from which on a signed-rank test can refuse anything at 5 %: 2·2⁻⁶ ≤ 5 % < 2·2⁻⁵."""

MOST_CORRELATED = 0.8
"""Correlation of neighbouring replicates that is believed at most: so few tell no more."""

Logarithms: TypeAlias = NDArray[np.float64]
"""Logarithms of times or ratios, one for each replicate."""

Times: TypeAlias = NDArray[np.float64]
"""Seconds per call, replicates × rounds; NaN where there is no sample or it does not count."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval.

    Args:
        estimate: Best guess.
        low: Lower end.
        high: Upper end.
        replicates: How many it was made from; None where from something else.
    """

    estimate: float
    low: float
    high: float
    replicates: int | None = None

    @property
    def half_width(self) -> float:
        """Relative half-width, √(high/low) − 1; infinite where the interval is unknown."""
        if not (self.low > 0 and math.isfinite(self.high)):
            return math.inf
        return math.sqrt(self.high / self.low) - 1


def centre(logarithms: Logarithms) -> float:
    """Take the Hodges-Lehmann estimate: the median of the Walsh averages (xᵢ + xⱼ)/2, i ≤ j.

    Args:
        logarithms: One for each replicate, finite.

    Returns:
        The logarithm of the figure.

    Source: J. L. Hodges and E. L. Lehmann, Estimates of Location Based on Rank Tests, Annals of
        Mathematical Statistics 34, 1963.
    """
    return float(np.median(_walsh(logarithms)))


def _walsh(logarithms: Logarithms) -> Logarithms:
    i, j = np.triu_indices(logarithms.size)
    averages: Logarithms = np.sort((logarithms[i] + logarithms[j]) / 2)
    return averages


def signed_ranks(logarithms: Logarithms) -> Interval:
    """Take the Hodges-Lehmann estimate over replicates, and Wilcoxon's exact interval.

    With the Walsh averages (xᵢ + xⱼ)/2, i ≤ j: their median, and those that a signed-rank test at
    5 % does not refuse as the centre, then exp. One replicate gone wrong moves it little, as it
    moves Student's much: experiments/estimators.py compares them.

    Args:
        logarithms: One for each replicate, finite.

    Returns:
        The interval; infinite for fewer than ``FEWEST_RANKED`` replicates, which refuse nothing.

    Source: Hollander, Wolfe and Chicken, Nonparametric Statistical Methods, 2014, section 3.3.
    """
    walsh = _walsh(logarithms)
    left_out = _refused_ranks(logarithms.size)
    middle, count = float(np.median(walsh)), logarithms.size
    if left_out == 0:
        return Interval(math.exp(middle), 0.0, math.inf, count)
    low, high = float(walsh[left_out - 1]), float(walsh[walsh.size - left_out])
    return exponential(middle, low, high, count)


def widening(rows: Logarithms) -> float:
    """Say how much wider intervals are for replicates that correlate: √((1 + ρ)/(1 − ρ)).

    What else runs on a busy machine comes and goes within seconds, so that neighbouring
    replicates, a fraction of a second each, share it; with ρ = 0.3 an interval that ignores this
    holds the truth in 85 % instead of 95 % of cases. The mean of R values of which neighbours
    correlate by ρ, and others as those of an autoregressive process of order one, has
    (1 + ρ)/(1 − ρ) times the variance of independent ones.

    Args:
        rows: Cells × replicates, in the order of measurement; NaN where there is none. ρ is the
            mean of the cells', in [0, ``MOST_CORRELATED``].

    Returns:
        The factor, 1 where neighbours do not correlate.

    Source: Bayley and Hammersley, The Effective Number of Independent Observations in an
        Autocorrelated Time Series, 1946.
    """
    finite = [row[np.isfinite(row)] for row in rows]
    found = [neighbours_correlation(row) for row in finite if row.size >= FEWEST_RANKED]
    rho = min(max(float(np.mean(found)), 0.0), MOST_CORRELATED) if found else 0.0
    return math.sqrt((1 + rho) / (1 - rho))


def neighbours_correlation(logarithms: Logarithms) -> float:
    """Estimate how much neighbouring replicates correlate.

    r = Σ xᵢxᵢ₊₁ / Σ xᵢ², of departures from the median, those beyond the 5th and 95th percentile
    cut lest one replicate decide it; then r + (1 + 3r)/R, since r of so few is too low by that.

    Args:
        logarithms: One for each replicate, in the order of measurement, finite.

    Returns:
        The correlation; 0 where nothing varies.

    Source: Marriott and Pope, Bias in the Estimation of Autocorrelations, 1954.
    """
    cut = np.clip(logarithms, *np.quantile(logarithms, [0.05, 0.95]))
    departures = cut - np.median(cut)
    total = float(departures @ departures)
    if total <= 0:
        return 0.0
    raw = float(departures[:-1] @ departures[1:]) / total
    return raw + (1 + 3 * max(raw, 0.0)) / logarithms.size


@lru_cache
def _refused_ranks(replicates: int) -> int:
    """Count the rank sums W⁺ of one tail: the largest k with P(W⁺ < k) ≤ 2.5 %, exact."""
    ways = np.ones(1)
    for rank in range(1, replicates + 1):
        ways = (np.pad(ways, (0, rank)) + np.pad(ways, (rank, 0))) / 2
    return int(np.searchsorted(np.cumsum(ways), (1 - CONFIDENCE) / 2, side="right"))


def exponential(middle: float, low: float, high: float, replicates: int | None = None) -> Interval:
    """Turn logarithms into an interval; the ends of a hopeless one are no error.

    Args:
        middle: Logarithm of the estimate.
        low: Logarithm of the lower end.
        high: Logarithm of the upper end.
        replicates: How many it was made from.

    Returns:
        The interval.
    """
    ends = math.exp(max(low, -700.0)), math.exp(min(high, 700.0))
    return Interval(math.exp(middle), *ends, replicates)


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
