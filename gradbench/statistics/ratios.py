"""Ratios of times that were measured apart: their intervals, and what may be said of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from gradbench.statistics.intervals import CONFIDENCE, Interval

Values: TypeAlias = NDArray[np.float64]

_LEAST = 1e-24  # stands for the variance of a figure that is exact
_FARTHEST = 700.0  # exp of a hopeless interval is as good as infinite, not an error


@dataclass(frozen=True)
class Logarithm:
    """The logarithm of a figure, with what is known of its error.

    Args:
        middle: Estimate.
        parts: Variance and degrees of freedom of each independent estimate that is in it.
    """

    middle: float
    parts: tuple[tuple[float, float], ...] = ()

    @staticmethod
    def of(interval: Interval) -> Logarithm:
        """Take back a figure's interval to the standard error it was made from.

        The interval is exp(m ± t(R−1)·s) for R replicates, so s = ln(high/low) / (2·t(R−1)). Of
        six replicates or more it is that of signed ranks
        (:func:`gradbench.statistics.intervals.signed_ranks`), about as wide where Student's holds,
        and s then the standard error of that estimate, by its width.

        Args:
            interval: The figure with its 95 % interval and the replicates that are in it; of
                fewer than two, nothing is known of the error.

        Returns:
            The logarithm with its error; of infinite variance where the interval is unknown.
        """
        freedom = (interval.replicates or 1) - 1.0
        middle = math.log(interval.estimate)
        if not (freedom >= 1 and interval.low > 0 and math.isfinite(interval.high)):
            return Logarithm(middle, ((math.inf, 1.0),))
        error = math.log(interval.high / interval.low) / (2 * _student(freedom))
        return Logarithm(middle, ((error**2, freedom),))

    @property
    def variance(self) -> float:
        """Sum of the parts' variances; infinite where the error is unknown."""
        return sum(variance for variance, _ in self.parts)

    def __sub__(self, other: Logarithm) -> Logarithm:
        return Logarithm(self.middle - other.middle, self.parts + other.parts)

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        """Give the figure itself with its interval.

        With variances vᵢ of νᵢ degrees of freedom: v = Σvᵢ, ν = v² / Σ(vᵢ²/νᵢ), and the interval
        is exp(m ± t(ν)·√v). For two estimates this is Welch's interval (B. L. Welch, The
        generalization of 'Student's' problem when several different population variances are
        involved, Biometrika 34, 1947; F. E. Satterthwaite, Biometrics Bulletin 2, 1946). The
        estimates are taken as independent; where drift moves them together, as a cell and the
        bandwidth control of its own block, the interval is too wide rather than too narrow.

        Args:
            confidence: Share of such intervals that hold the truth.

        Returns:
            The interval, (0, ∞) where a part's error is unknown.
        """
        estimate = math.exp(self.middle)
        variance = self.variance
        if not math.isfinite(variance):
            return Interval(estimate, 0.0, math.inf)
        if variance == 0:
            return Interval(estimate, estimate, estimate)
        shares = sum((part / variance) ** 2 / freedom for part, freedom in self.parts)
        reach = _student(1 / shares, confidence) * math.sqrt(variance)
        low, high = max(self.middle - reach, -_FARTHEST), min(self.middle + reach, _FARTHEST)
        return Interval(estimate, math.exp(low), math.exp(high))


def pool(logarithms: Sequence[Logarithm]) -> Logarithm:
    """Take several runs' measurements of one figure together.

    A machine differs from run to run by more than a run can know. With estimates mᵢ of variances
    vᵢ and the variance τ² between runs: weights wᵢ = 1/(vᵢ + τ²), shares aᵢ = wᵢ/Σw, mean Σaᵢmᵢ,
    and variance Σaᵢ²vᵢ, each part with its own degrees of freedom, plus τ²Σaᵢ² with k − 1. τ² is
    DerSimonian and Laird's moment estimate, but no less than the runs' own variance, k/Σvᵢ⁻¹: so
    few runs cannot show that it is less. Runs that agree narrow the interval, and those that do
    not widen it.

    Args:
        logarithms: One of each run, at least one.

    Returns:
        The only one as it is, or their mean; those of unknown error are left out of it, unless all
        are.

    Source: R. DerSimonian and N. Laird, Meta-analysis in clinical trials, Controlled Clinical
        Trials 7, 1986; F. E. Satterthwaite, Biometrics Bulletin 2, 1946.
    """
    told = [each for each in logarithms if math.isfinite(each.variance)] or list(logarithms)
    if len(told) == 1:
        return told[0]
    middles = np.array([each.middle for each in told])
    variances = np.array([each.variance for each in told])
    count = len(told)
    if not variances.any() and np.ptp(middles) == 0:  # exact, such as the baseline's speedup
        return told[0]
    if not np.isfinite(variances).all():
        scatter = float(middles.var(ddof=1)) / count
        return Logarithm(float(middles.mean()), ((scatter, count - 1.0),))
    between = _between(middles, np.maximum(variances, _LEAST))
    weights = 1 / np.maximum(variances + between, _LEAST)
    shares = weights / weights.sum()
    parts = [
        (float(share**2) * variance, freedom)
        for share, each in zip(shares, told, strict=True)
        for variance, freedom in each.parts
    ]
    parts.append((between * float((shares**2).sum()), count - 1.0))
    return Logarithm(float(shares @ middles), tuple(parts))


def _between(middles: Values, variances: Values) -> float:
    """Estimate the variance between runs: (Q − (k−1)) / (Σw − Σw²/Σw), k/Σw at least."""
    weights = 1 / variances
    mean = (weights @ middles) / weights.sum()
    scatter = weights @ (middles - mean) ** 2
    # Σw − Σw²/Σw, by what is beside each weight: an exact figure's weight leaves nothing of it.
    beside = [np.delete(weights, index).sum() for index in range(len(weights))]
    scale = (weights @ beside) / weights.sum()
    count = len(middles)
    return max(count / float(weights.sum()), float((scatter - (count - 1)) / scale))


def widened(interval: Interval, drifts: Sequence[float]) -> Interval:
    """Widen a ratio's interval by a drift that it may have followed.

    A cell follows what its block's controls did, by the factors c, somewhere between not at all
    and wholly: its ratio without drift lies between that of the interval and that over c.

    Args:
        interval: Of the ratio.
        drifts: Factors c; none leaves the interval as it is.

    Returns:
        From min over c of low/max(c, 1) to max over c of high/min(c, 1).
    """
    low = interval.low / max([1.0, *drifts])
    high = interval.high / min([1.0, *drifts])
    return Interval(interval.estimate, low, high)


def combined_noise(base: float | None, other: float | None) -> float | None:
    """Combine two noise floors: independent departures f and g add as ln²(1+f) + ln²(1+g).

    Args:
        base: Noise floor of one side.
        other: That of the other.

    Returns:
        The departure from 1 that a ratio may have by noise alone; None where one is unknown.
    """
    if base is None or other is None:
        return None
    return math.expm1(math.hypot(math.log1p(base), math.log1p(other)))


def _student(freedom: float, confidence: float = CONFIDENCE) -> float:
    return float(stdtrit(freedom, (1 + confidence) / 2))
