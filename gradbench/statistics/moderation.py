"""Variances of few replicates, estimated together: the cells of a block share their noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, polygamma

Reals = NDArray[np.float64]

_STEPS = 50
_CLOSE = 1e-8


@dataclass(frozen=True)
class Prior:
    """What the cells of a block say of any one's variance: s₀²·d₀/χ²(d₀).

    Args:
        variance: s₀²; 0 where nothing varies.
        freedom: d₀ degrees of freedom; infinite where the cells' variances differ no more than
            samples of one variance do, 0 where there is nothing to learn from.
    """

    variance: float
    freedom: float


def prior_of(variances: Reals, freedoms: Reals) -> Prior:
    """Fit the distribution that the cells' variances come from, by moments of their logarithms.

    With s² of d degrees of freedom, e = ln s² − ψ(d/2) + ln(d/2) has the mean
    ln s₀² − ψ(d₀/2) + ln(d₀/2) and the variance ψ'(d/2) + ψ'(d₀/2).

    Args:
        variances: Sample variance of each cell.
        freedoms: Its degrees of freedom.

    Returns:
        The distribution.

    Source: G. K. Smyth, Linear models and empirical Bayes methods for assessing differential
        expression in microarray experiments, Statistical Applications in Genetics and Molecular
        Biology 3(1), 2004, section 6.2 (limma's fitFDist).
    """
    usable = (variances > 0) & (freedoms > 0)
    found, half = variances[usable], freedoms[usable] / 2
    if found.size < 2:
        return Prior(float(found.mean()) if found.size else 0.0, 0.0)
    centred = np.log(found) - digamma(half) + np.log(half)
    excess = float(centred.var(ddof=1) - polygamma(1, half).mean())
    if excess <= 0:
        pooled = float((variances[usable] * freedoms[usable]).sum() / freedoms[usable].sum())
        return Prior(pooled, math.inf)
    freedom = 2 * _inverse_trigamma(excess)
    scale = float(centred.mean()) + float(digamma(freedom / 2)) - math.log(freedom / 2)
    return Prior(math.exp(scale), freedom)


def moderate(variances: Reals, freedoms: Reals) -> tuple[Reals, Reals]:
    """Draw each cell's variance to what the others say of it.

    s̃² = (d₀·s₀² + d·s²)/(d₀ + d), of d₀ + d degrees of freedom, but of no more than all cells have
    together. Where d is large next to d₀, it is the cell's own.

    Args:
        variances: Sample variance of each cell.
        freedoms: Its degrees of freedom.

    Returns:
        The moderated variances and their degrees of freedom.

    Source: Smyth 2004, section 4.
    """
    prior = prior_of(variances, freedoms)
    total = np.maximum(float(freedoms.sum()), 1.0)
    if math.isinf(prior.freedom):
        return np.full(variances.shape, prior.variance), np.full(freedoms.shape, total)
    sums = np.maximum(prior.freedom + freedoms, 1e-9)
    mean = (prior.freedom * prior.variance + freedoms * variances) / sums
    return mean, np.minimum(sums, total)


def _inverse_trigamma(value: float) -> float:
    """Solve ψ'(y) = value by Newton's method on its reciprocal, which is nearly linear."""
    y = 0.5 + 1 / value
    for _ in range(_STEPS):
        found = float(polygamma(1, y))
        step = found * (1 - found / value) / float(polygamma(2, y))
        y += step
        if abs(step) < _CLOSE * y:
            break
    return y
