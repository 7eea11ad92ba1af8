import math

import numpy as np
import pytest

from gradbench.measure.statistics import (
    Interval,
    noise_floor,
    ratio_interval,
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
    assert interval.half_width < 0.01 < alone.half_width
    assert interval.estimate == pytest.approx(2.0, rel=0.01)


def test_missing_samples_are_left_out() -> None:
    times = np.array([[1.0, np.nan, 1.0], [np.nan, np.nan, np.nan], [1.0, 1.0, np.nan]])
    assert time_interval(times) == Interval(1.0, 1.0, 1.0)
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
