import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from gradbench.statistics.intervals import (
    Interval,
    correlated_signed_ranks,
    neighbours_correlation,
    noise_floor,
    ratio_interval,
    signed_ranks,
    slow_rounds,
    time_interval,
)


def simulate(
    rng: np.random.Generator, replicates: int, rounds: int, between: float, within: float
) -> np.ndarray:
    """Times of one cell around 1: each replicate has a bias of its own, each round its noise."""
    bias = rng.normal(0, between, (replicates, 1))
    return np.exp(bias + rng.normal(0, within, (replicates, rounds)))


@pytest.mark.parametrize(("replicates", "rounds"), [(3, 1), (3, 10), (8, 5)])
def test_interval_covers_the_truth_as_often_as_it_says(replicates: int, rounds: int) -> None:
    rng = np.random.default_rng(0)
    trials, hits = 2000, 0
    for _ in range(trials):
        a = simulate(rng, replicates, rounds, 0.01, 0.02)
        b = 1.5 * simulate(rng, replicates, rounds, 0.01, 0.02)
        interval = ratio_interval(b, a)
        assert interval is not None
        hits += interval.low <= 1.5 <= interval.high
    # 95 % with a binomial standard error of 0.5 %.
    assert 0.935 <= hits / trials <= 0.965


def test_pairing_removes_what_a_round_shares() -> None:
    rng = np.random.default_rng(1)
    drift = np.exp(rng.normal(0, 0.5, (5, 20)))
    numerator = 2.0 * drift * simulate(rng, 5, 20, 0.001, 0.001)
    interval = ratio_interval(numerator, drift * simulate(rng, 5, 20, 0.001, 0.001))
    alone = time_interval(numerator)
    assert interval is not None
    assert alone is not None
    assert interval.replicates == alone.replicates == 5
    assert interval.half_width < 0.01 < alone.half_width
    assert interval.estimate == pytest.approx(2.0, rel=0.01)


def test_missing_samples_are_left_out() -> None:
    times = np.array([[1.0, np.nan, 1.0], [np.nan, np.nan, np.nan], [1.0, 1.0, np.nan]])
    assert time_interval(times) == Interval(1.0, 1.0, 1.0, replicates=2)
    assert time_interval(np.full((2, 2), np.nan)) is None
    assert time_interval(np.empty((0, 0))) is None


def test_one_replicate_gives_no_interval() -> None:
    interval = time_interval(np.array([[1.0, 2.0, 3.0]]))
    assert interval is not None
    assert interval.estimate == pytest.approx(2.0)
    assert interval.half_width == math.inf


def test_hopeless_spread_is_wide_and_no_error() -> None:
    interval = time_interval(np.array([[1e-9], [1e9]]))
    assert interval is not None
    assert interval.half_width > 1e6


def test_noise_floor_is_the_farthest_end() -> None:
    assert noise_floor(Interval(1.0, 0.98, 1.01)) == pytest.approx(1 / 0.98 - 1)
    assert noise_floor(Interval(1.0, 0.99, 1.05)) == pytest.approx(0.05)
    assert noise_floor(Interval(1.0, 0.0, math.inf)) is None
    assert noise_floor(None) is None


def test_slow_rounds_are_those_far_above_the_best() -> None:
    control = np.array([[1.0, 1.1, 1.3], [1.02, np.nan, 5.0]])
    assert slow_rounds(control).tolist() == [[False, False, True], [False, False, True]]
    assert not slow_rounds(np.full((2, 2), np.nan)).any()


def drifting(correlation: float, replicates: int, seed: int) -> NDArray[np.float64]:
    """Log ratios around 0 of which neighbours correlate."""
    rng = np.random.default_rng(seed)
    values = [rng.normal()]
    for _ in range(replicates - 1):
        values.append(correlation * values[-1] + np.sqrt(1 - correlation**2) * rng.normal())
    return 0.01 * np.array(values)


def held(interval: Callable[[NDArray[np.float64]], Interval], correlation: float) -> float:
    """Share of intervals that hold the truth."""
    found = [interval(drifting(correlation, 20, seed)) for seed in range(300)]
    return float(np.mean([one.low <= 1 <= one.high for one in found]))


def test_replicates_that_correlate_are_held_by_wider_intervals() -> None:
    assert held(signed_ranks, 0.4) < 0.86
    assert held(correlated_signed_ranks, 0.4) > 0.88
    assert held(correlated_signed_ranks, 0.0) > 0.94


def test_the_widened_interval_lies_about_the_same_estimate() -> None:
    values = drifting(0.6, 20, 3)
    plain, wide = signed_ranks(values), correlated_signed_ranks(values)
    rho = neighbours_correlation(values)
    assert 0.3 < rho <= 0.8
    factor = np.sqrt((1 + rho) / (1 - rho))
    assert wide.estimate == plain.estimate
    assert np.log(wide.high / wide.estimate) == pytest.approx(
        factor * np.log(plain.high / plain.estimate)
    )
    assert np.log(wide.low / wide.estimate) == pytest.approx(
        factor * np.log(plain.low / plain.estimate)
    )


def test_an_interval_is_never_narrowed() -> None:
    alternating = np.array([1.0, -1.0] * 8)
    assert neighbours_correlation(alternating) == 0.0
    assert correlated_signed_ranks(alternating) == signed_ranks(alternating)
    assert neighbours_correlation(np.zeros(10)) == 0.0
    too_few = correlated_signed_ranks(np.array([0.1, 0.2, 0.3]))
    assert (too_few.low, too_few.high) == (0.0, np.inf)


def test_only_a_busy_machine_widens() -> None:
    ones = np.ones((20, 1))
    times = np.exp(drifting(0.6, 20, 3))[:, None]
    quiet, busy = ratio_interval(times, ones), ratio_interval(times, ones, busy=True)
    assert quiet is not None
    assert busy is not None
    assert busy.estimate == quiet.estimate
    assert busy.half_width > 1.2 * quiet.half_width
    alone = time_interval(times, busy=True)
    assert alone is not None
    assert alone.half_width == pytest.approx(busy.half_width)
