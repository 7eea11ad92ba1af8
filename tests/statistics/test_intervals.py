import math

import numpy as np
import pytest
from numpy.typing import NDArray

from gradbench.statistics.intervals import (
    Interval,
    centre,
    neighbours_correlation,
    noise_floor,
    signed_ranks,
    slow_rounds,
    widening,
)


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


def test_what_correlates_asks_for_wider_intervals() -> None:
    rows = np.stack([drifting(0.6, 20, seed) for seed in range(8)])
    found = np.mean([neighbours_correlation(row) for row in rows])
    assert 0.4 < found < 0.8
    assert widening(rows) == pytest.approx(np.sqrt((1 + found) / (1 - found)))
    alone = np.stack([drifting(0.0, 20, seed) for seed in range(50)])
    assert widening(alone) < 1.15


def test_nothing_narrows_an_interval() -> None:
    alternating = np.array([1.0, -1.0] * 8)
    assert neighbours_correlation(alternating) < 0
    assert widening(alternating[None, :]) == 1.0
    assert widening(np.zeros((3, 10))) == 1.0
    assert widening(np.full((2, 12), np.nan)) == 1.0
    assert widening(np.array([[0.1, 0.2, 0.3]])) == 1.0  # too few to say


def test_the_centre_is_the_median_of_walsh_averages() -> None:
    assert centre(np.array([0.0, 1.0, 5.0])) == pytest.approx(1.75)
    assert centre(np.array([0.0, 0.0, 0.0, 100.0])) == pytest.approx(0.0)


def test_signed_ranks_as_the_tables_have_them() -> None:
    """Of six replicates all Walsh averages are within, of ten all but eight at each end."""
    six, ten = np.arange(6.0), np.arange(10.0) ** 2
    assert (signed_ranks(six).low, signed_ranks(six).high) == (1.0, pytest.approx(math.exp(5)))
    i, j = np.triu_indices(10)
    walsh = np.sort((ten[i] + ten[j]) / 2)
    found = signed_ranks(ten)
    assert (math.log(found.low), math.log(found.high)) == pytest.approx((walsh[8], walsh[-9]))
    assert signed_ranks(np.arange(5.0)).low == 0.0
