"""What a block's cells say together: intervals that hold the truth, of few replicates too."""

import math

import numpy as np
import pytest

from gradbench.statistics.effects import effects
from gradbench.statistics.intervals import Interval, Times
from gradbench.statistics.moderation import moderate, prior_of


def ratio(numerator: Times, denominator: Times, *, busy: bool = False) -> Interval | None:
    return effects({"a": numerator, "b": denominator}, busy=busy).ratio("a", "b")


def alone(times: Times, *, busy: bool = False) -> Interval | None:
    return effects({"a": times}, busy=busy).time("a")


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
        interval = ratio(b, a)
        assert interval is not None
        hits += interval.low <= 1.5 <= interval.high
    # 95 % with a binomial standard error of 0.5 %.
    assert 0.935 <= hits / trials <= 0.965


def test_pairing_removes_what_a_round_shares() -> None:
    rng = np.random.default_rng(1)
    drift = np.exp(rng.normal(0, 0.5, (5, 20)))
    numerator = 2.0 * drift * simulate(rng, 5, 20, 0.001, 0.001)
    interval = ratio(numerator, drift * simulate(rng, 5, 20, 0.001, 0.001))
    raw = alone(numerator)
    assert interval is not None
    assert raw is not None
    assert interval.replicates == raw.replicates == 5
    assert interval.half_width < 0.01 < raw.half_width
    assert interval.estimate == pytest.approx(2.0, rel=0.01)


def test_missing_samples_are_left_out() -> None:
    times = np.array([[1.0, np.nan, 1.0], [np.nan, np.nan, np.nan], [1.0, 1.0, np.nan]])
    assert alone(times) == Interval(1.0, 1.0, 1.0, replicates=2)
    assert alone(np.full((2, 2), np.nan)) is None
    assert alone(np.empty((0, 0))) is None


def test_one_replicate_gives_no_interval() -> None:
    interval = alone(np.array([[1.0, 2.0, 3.0]]))
    assert interval is not None
    assert interval.estimate == pytest.approx(2.0)
    assert interval.half_width == math.inf


def test_hopeless_spread_is_wide_and_no_error() -> None:
    interval = alone(np.array([[1e-9], [1e9]]))
    assert interval is not None
    assert interval.half_width > 1e6


def block(
    rng: np.random.Generator, cells: int, replicates: int, *, spread: float
) -> dict[str, Times]:
    """Cells of 1, 2, … that share each replicate's speed and have noise of their own."""
    shared = rng.normal(0, 0.2, (replicates, 1))
    noise = 0.03 * np.exp(rng.normal(0, spread, cells))
    return {
        str(n): n * np.exp(shared + rng.normal(0, noise[n - 1], (replicates, 1)))
        for n in range(1, cells + 1)
    }


@pytest.mark.parametrize(
    ("cells", "replicates", "spread"),
    [(20, 3, 0.0), (20, 3, 0.5), (20, 12, 0.5), (5, 3, 0.3), (3, 8, 0.3)],
)
def test_ratios_of_few_replicates_hold_the_truth(
    cells: int, replicates: int, spread: float
) -> None:
    rng = np.random.default_rng(2)
    held = asked = 0
    for _ in range(200):
        found = effects(block(rng, cells, replicates, spread=spread))
        for n in range(2, cells + 1):
            interval = found.ratio(str(n), "1")
            assert interval is not None
            held += interval.low <= n <= interval.high
            asked += 1
    # The cells of a block share the baseline: its few replicates hold or miss for all of them.
    assert 0.92 <= held / asked <= 0.985


def test_many_cells_make_intervals_of_three_replicates_narrow() -> None:
    """Student's, of two degrees of freedom, is more than twice as wide."""
    rng = np.random.default_rng(3)
    widths = []
    for _ in range(100):
        times = block(rng, 20, 3, spread=0.3)
        together = effects(times).ratio("2", "1")
        apart = ratio(times["2"], times["1"])
        assert together is not None
        assert apart is not None
        widths.append(apart.half_width / together.half_width)
    assert np.median(widths) > 1.7


def test_many_replicates_cost_nothing() -> None:
    rng = np.random.default_rng(4)
    widths = []
    for _ in range(100):
        times = block(rng, 20, 20, spread=0.3)
        together, apart = effects(times).ratio("2", "1"), ratio(times["2"], times["1"])
        assert together is not None
        assert apart is not None
        widths.append(together.half_width / apart.half_width)
    assert np.median(widths) < 1.05


def test_a_cell_without_samples_in_later_replicates_keeps_its_interval() -> None:
    rng = np.random.default_rng(5)
    times = block(rng, 20, 12, spread=0.3)
    times["7"][3:] = np.nan
    found = effects(times)
    left, whole = found.ratio("7", "1"), found.ratio("8", "1")
    assert left is not None
    assert whole is not None
    assert (left.replicates, whole.replicates) == (3, 12)
    assert left.low <= 7 <= left.high
    assert left.half_width > 1.5 * whole.half_width
    assert found.ratio("7", "nothing") is None
    assert found.time("nothing") is None


def test_times_divide_as_speedups_do_though_the_machine_drifts() -> None:
    """It gets slower by two thirds; the seventh cell is left alone after three replicates."""
    rng = np.random.default_rng(7)
    drift = np.linspace(1.0, 5 / 3, 12)[:, None]
    times = {name: drift * values for name, values in block(rng, 20, 12, spread=0.3).items()}
    times["7"][3:] = np.nan
    found = effects(times)
    one, seven, ratio_ = found.time("1"), found.time("7"), found.ratio("7", "1")
    assert one is not None
    assert seven is not None
    assert ratio_ is not None
    assert seven.estimate / one.estimate == pytest.approx(ratio_.estimate, rel=0.03)
    assert seven.half_width < 1.3 * one.half_width


def test_three_cells_keep_the_noise_of_each() -> None:
    """The median of three cells is one of them, and would have no noise of its own left."""
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(300):
        times = {name: simulate(rng, 12, 15, 0.004, 0.01) for name in "abc"}
        found = effects(times)
        interval = found.ratio("a", "b")
        assert interval is not None
        held += interval.low <= 1 <= interval.high
        assert len(np.unique(found.replicates["a"] - found.replicates["b"])) == 12
    assert 0.92 <= held / 300 <= 0.985


def test_who_left_after_noisy_replicates_is_known_no_better_than_they_let() -> None:
    rng = np.random.default_rng(6)
    held = 0
    for _ in range(200):
        noise = np.array([0.03] * 3 + [0.002] * 9)[:, None]
        times = {str(n): np.exp(rng.normal(0, 1, (12, 1)) * noise) for n in range(10)}
        for left in range(3, 10):
            times[str(left)][3:] = np.nan
        found = effects(times)
        for left in range(3, 10):
            interval = found.ratio(str(left), "0")
            assert interval is not None
            held += interval.low <= 1 <= interval.high
        stayed = found.ratio("1", "0")
        assert stayed is not None
        assert stayed.half_width < 0.025
    assert 0.92 <= held / 1400 <= 0.985


def test_processes_differ_in_code_that_differs() -> None:
    times = {name: np.ones((6, 4)) for name in "abc"}
    found = effects(times, process=0.005, alike=("a", "b"))
    same, other = found.ratio("a", "b"), found.ratio("a", "c")
    assert same == Interval(1.0, 1.0, 1.0, replicates=6)
    assert other is not None
    assert other.high == pytest.approx(math.exp(1.96 * 0.005), rel=1e-3)
    alone_ = found.time("c")
    assert alone_ is not None
    assert alone_.half_width == pytest.approx(1.96 * 0.005 / math.sqrt(2), rel=0.01)


def test_one_replicate_gone_wrong_moves_little() -> None:
    rng = np.random.default_rng(6)
    times = block(rng, 20, 12, spread=0.0)
    calm = effects(times).ratio("2", "1")
    times["2"][4] *= 5
    found = effects(times).ratio("2", "1")
    assert calm is not None
    assert found is not None
    assert found.estimate == pytest.approx(calm.estimate, rel=0.03)
    assert found.half_width < 3 * calm.half_width


def test_the_prior_is_what_the_variances_were_drawn_from() -> None:
    """limma: s² = s₀²·(d₀/χ²(d₀))·(χ²(d)/d)."""
    rng = np.random.default_rng(7)
    true = 4.0 * 8 / rng.chisquare(8, 5000)
    sample = true * rng.chisquare(3, 5000) / 3
    prior = prior_of(sample, np.full(5000, 3.0))
    assert prior.variance == pytest.approx(4.0, rel=0.1)
    assert prior.freedom == pytest.approx(8.0, rel=0.25)
    moderated, freedoms = moderate(sample, np.full(5000, 3.0))
    assert freedoms[0] == pytest.approx(prior.freedom + 3)
    assert np.mean(np.log(moderated / true) ** 2) < 0.5 * np.mean(np.log(sample / true) ** 2)


def test_variances_that_are_alike_become_one() -> None:
    rng = np.random.default_rng(8)
    sample = 4.0 * rng.chisquare(3, 50) / 3
    if math.isinf(prior_of(sample, np.full(50, 3.0)).freedom):
        moderated, freedoms = moderate(sample, np.full(50, 3.0))
        assert np.ptp(moderated) == 0
        assert freedoms.tolist() == [150.0] * 50
    alike, shared = moderate(np.full(4, 2.0), np.full(4, 3.0))
    assert alike == pytest.approx(np.full(4, alike[0]))
    assert shared.tolist() == [12.0] * 4


def test_only_a_busy_machine_widens() -> None:
    rng = np.random.default_rng(9)
    values = [0.0]
    for _ in range(19):
        values.append(0.6 * values[-1] + rng.normal(0, 0.01))
    times, ones = np.exp(np.array(values))[:, None], np.ones((20, 1))
    quiet, busy = ratio(times, ones), ratio(times, ones, busy=True)
    assert quiet is not None
    assert busy is not None
    assert busy.estimate == quiet.estimate
    assert busy.half_width > 1.2 * quiet.half_width
    single = alone(times, busy=True)
    assert single is not None
    assert single.half_width == pytest.approx(busy.half_width)
