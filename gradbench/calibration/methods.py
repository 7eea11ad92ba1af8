"""Candidates for the estimator and the interval of a ratio, judged on the same samples."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from gradbench.statistics.intervals import (
    CONFIDENCE,
    Interval,
    Times,
    correlated_signed_ranks,
    exponential,
    ratio_interval,
    signed_ranks,
    student,
)

Reals = NDArray[np.float64]
Estimator = Callable[[Times, Times], Reals]
"""From logarithms of numerator and denominator to one log ratio per replicate."""

_RESAMPLES = 300
_MOST_WALSH = 200


@dataclass(frozen=True)
class Method:
    """An estimator and a way to its interval.

    Args:
        estimator: What a replicate's rounds say.
        interval: How the replicates make an interval.
        apply: The method itself: numerator and denominator, seconds, replicates × rounds.
        stated: It is what gradbench's figures are made by.
        busy: What it does instead to a re-run on a busy machine; None: the same.
    """

    estimator: str
    interval: str
    apply: Callable[[Times, Times], Interval | None]
    stated: bool = False
    busy: Callable[[Times, Times], Interval | None] | None = None


# --- Estimators: one log ratio for each replicate -------------------------------------------------


def median_of_pairs(numerator: Times, denominator: Times) -> Reals:
    """Median over rounds of log n − log d."""
    return _median(numerator - denominator)


def mean_of_pairs(numerator: Times, denominator: Times) -> Reals:
    """Mean over rounds of log n − log d."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        mean: Reals = np.nanmean(numerator - denominator, axis=1)
    return mean


def trimmed_mean_of_pairs(numerator: Times, denominator: Times) -> Reals:
    """Mean over rounds of the middle half of log n − log d."""
    rows = (row[np.isfinite(row)] for row in numerator - denominator)
    return np.array([stats.trim_mean(row, 0.25) if row.size else np.nan for row in rows])


def hodges_lehmann_of_pairs(numerator: Times, denominator: Times) -> Reals:
    """Median over pairs of rounds of their mean log n − log d.

    Source: Hodges and Lehmann, Estimates of Location Based on Rank Tests, 1963.
    """
    estimates = []
    for row in numerator - denominator:
        pairs = row[np.isfinite(row)][:_MOST_WALSH]
        i, j = np.triu_indices(pairs.size)
        estimates.append(np.median((pairs[i] + pairs[j]) / 2) if pairs.size else np.nan)
    return np.array(estimates)


def ratio_of_medians(numerator: Times, denominator: Times) -> Reals:
    """Difference of the medians over rounds of log n and log d."""
    return _median(numerator) - _median(denominator)


def ratio_of_low_quantiles(numerator: Times, denominator: Times) -> Reals:
    """Difference of the first deciles over rounds of log n and log d."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        low = [np.nanquantile(times, 0.1, axis=1) for times in (numerator, denominator)]
    difference: Reals = low[0] - low[1]
    return difference


def ratio_of_minima(numerator: Times, denominator: Times) -> Reals:
    """Difference of the minima over rounds of log n and log d."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        least = [np.nanmin(times, axis=1) for times in (numerator, denominator)]
    difference: Reals = least[0] - least[1]
    return difference


def _median(values: Reals) -> Reals:
    with warnings.catch_warnings():  # a replicate without a clean sample has no median
        warnings.simplefilter("ignore", RuntimeWarning)
        median: Reals = np.nanmedian(values, axis=1)
    return median


# --- Intervals ------------------------------------------------------------------------------------


def wider_signed_ranks(factor: float, estimates: Reals) -> Interval:
    """Widen the interval of signed ranks by a factor about its estimate."""
    interval = signed_ranks(estimates)
    if interval.low == 0:
        return interval
    middle, low, high = map(math.log, (interval.estimate, interval.low, interval.high))
    return exponential(middle, middle + factor * (low - middle), middle + factor * (high - middle))


def student_of_threes(estimates: Reals) -> Interval:
    """Take Student's interval of medians of three neighbouring replicates."""
    groups = max(estimates.size // 3, 1)
    return student(np.array([np.median(group) for group in np.array_split(estimates, groups)]))


def order_statistics(estimates: Reals) -> Interval:
    """Take the median over replicates, and the order statistics that a sign test admits."""
    finite = np.sort(estimates)
    rank = int(stats.binom.ppf((1 - CONFIDENCE) / 2, finite.size, 0.5))
    if rank == 0:
        return Interval(math.exp(float(np.median(finite))), 0.0, math.inf)
    low, high = float(finite[rank - 1]), float(finite[finite.size - rank])
    return exponential(float(np.median(finite)), low, high)


def bootstrap_replicates(estimates: Reals) -> Interval:
    """Resample replicates; percentiles of the mean."""
    if estimates.size == 1:
        return student(estimates)  # unknown
    drawn = np.random.default_rng(0).integers(estimates.size, size=(_RESAMPLES, estimates.size))
    return _percentiles(float(estimates.mean()), estimates[drawn].mean(axis=1))


def bootstrap_replicates_then_rounds(numerator: Times, denominator: Times) -> Interval | None:
    """Resample replicates, then rounds within each; percentiles of the mean of their medians."""
    rows = [row[np.isfinite(row)] for row in np.log(numerator) - np.log(denominator)]
    rows = [row for row in rows if row.size]
    if not rows:
        return None
    order = np.random.default_rng(0)
    # Medians of resampled rounds first; the resampled replicates then draw from them.
    picks = [order.integers(row.size, size=(_RESAMPLES, row.size)) for row in rows]
    medians = np.array([np.median(row[p], axis=1) for row, p in zip(rows, picks, strict=True)])
    drawn = order.integers(len(rows), size=(_RESAMPLES, len(rows)))
    columns = order.integers(_RESAMPLES, size=drawn.shape)
    middle = float(np.mean([np.median(row) for row in rows]))
    return _percentiles(middle, medians[drawn, columns].mean(axis=1))


def pooled_rounds(numerator: Times, denominator: Times) -> Interval | None:
    """Order statistics of all pairs, as if every round were independent of every other."""
    pairs = np.sort((np.log(numerator) - np.log(denominator)).ravel())
    pairs = pairs[np.isfinite(pairs)]
    if pairs.size < 6:
        return None
    rank = max(int(stats.binom.ppf((1 - CONFIDENCE) / 2, pairs.size, 0.5)), 1)
    low, high = float(pairs[rank - 1]), float(pairs[pairs.size - rank])
    return exponential(float(np.median(pairs)), low, high)


def _percentiles(middle: float, resampled: Reals) -> Interval:
    low, high = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return exponential(middle, float(low), float(high))


def _over_replicates(
    estimator: Estimator, interval: Callable[[Reals], Interval]
) -> Callable[[Times, Times], Interval | None]:
    def apply(numerator: Times, denominator: Times) -> Interval | None:
        if numerator.size == 0:
            return None
        estimates = estimator(np.log(numerator), np.log(denominator))
        finite = estimates[np.isfinite(estimates)]
        return interval(finite) if finite.size else None

    return apply


STATED = Method(
    "median of pairs",
    "signed ranks of replicates; busy: for their correlation",
    ratio_interval,
    stated=True,
    busy=partial(ratio_interval, busy=True),
)
"""What ``gradbench.statistics.intervals`` does, by its own function."""

_ESTIMATORS: dict[str, Estimator] = {
    "median of pairs": median_of_pairs,
    "mean of pairs": mean_of_pairs,
    "middle half of pairs, mean": trimmed_mean_of_pairs,
    "Hodges-Lehmann of pairs": hodges_lehmann_of_pairs,
    "ratio of medians": ratio_of_medians,
    "ratio of first deciles": ratio_of_low_quantiles,
    "ratio of minima": ratio_of_minima,
}

_INTERVALS: dict[str, Callable[[Reals], Interval]] = {
    "signed ranks of replicates": signed_ranks,
    "signed ranks, for their correlation": correlated_signed_ranks,
    "signed ranks, 1.5 times as wide": partial(wider_signed_ranks, 1.5),
    "Student over medians of three": student_of_threes,
    "Student over replicates": student,
    "order statistics of replicates": order_statistics,
    "bootstrap over replicates": bootstrap_replicates,
}

_FOR_ALL = ("signed ranks of replicates", "Student over replicates")

METHODS = (
    STATED,
    *(
        Method(estimator, interval, _over_replicates(_ESTIMATORS[estimator], _INTERVALS[interval]))
        for interval in _INTERVALS
        for estimator in _ESTIMATORS
        if estimator == STATED.estimator or interval in _FOR_ALL
    ),
    Method(
        "median of pairs", "bootstrap over replicates, rounds", bootstrap_replicates_then_rounds
    ),
    Method("median of pairs", "order statistics, rounds pooled", pooled_rounds),
)
"""The candidates: every estimator with two intervals, and every interval with one estimator."""
