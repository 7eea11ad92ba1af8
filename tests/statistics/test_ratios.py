import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradbench.statistics.effects import effects
from gradbench.statistics.intervals import Interval, Times, centre
from gradbench.statistics.ratios import Logarithm, combined_noise, pool, widened
from gradbench.statistics.verdicts import verdict

positive = st.floats(1e-9, 1e3)
margins = st.floats(0.0, 1.0)
OPPOSITE = {"faster": "slower", "slower": "faster", "same": "same", "unclear": "unclear"}


def time_interval(times: Times) -> Interval | None:
    return effects({"": times}).time("")


@st.composite
def logarithms(draw: st.DrawFn) -> Logarithm:
    half = draw(st.floats(1e-4, 3.0))
    estimate = draw(positive)
    ends = estimate / (1 + half), estimate * (1 + half)
    return Logarithm.of(Interval(estimate, *ends, draw(st.integers(2, 50))))


@given(logarithms())
def test_a_single_figure_gives_its_interval_back(one: Logarithm) -> None:
    again = Logarithm.of(replace(one.interval(), replicates=round(one.parts[0][1]) + 1))
    assert again.middle == pytest.approx(one.middle)
    assert again.parts[0][0] == pytest.approx(one.parts[0][0])


@given(logarithms(), logarithms())
def test_a_ratio_and_its_inverse_have_inverse_intervals(one: Logarithm, two: Logarithm) -> None:
    there, back = (two - one).interval(), (one - two).interval()
    assert there.estimate == pytest.approx(1 / back.estimate)
    assert there.low == pytest.approx(1 / back.high)
    assert there.high == pytest.approx(1 / back.low)


@given(logarithms(), logarithms(), st.lists(positive, max_size=2))
def test_drift_only_widens_and_swaps_with_the_sides(
    one: Logarithm, two: Logarithm, drifts: list[float]
) -> None:
    there = widened((two - one).interval(), drifts)
    back = widened((one - two).interval(), [1 / drift for drift in drifts])
    bare = (two - one).interval()
    assert there.low <= bare.low
    assert there.high >= bare.high
    assert there.low == pytest.approx(1 / back.high)
    for drift in drifts:
        assert there.low <= bare.low / drift * (1 + 1e-12)
        assert there.high >= bare.high / drift * (1 - 1e-12)


def test_welch_as_scipy_has_it() -> None:
    from scipy import stats

    rng = np.random.default_rng(0)
    one, two = rng.normal(0, 1, 5), rng.normal(1, 3, 4)
    logs = [time_interval(np.exp(values)[:, None]) for values in (one, two)]
    base, other = (Logarithm.of(log) for log in logs if log)
    expected = stats.ttest_ind(two, one, equal_var=False).confidence_interval(0.95)
    # The centres are Hodges and Lehmann's, not means.
    moved = centre(two) - centre(one) - (two.mean() - one.mean())
    found = (other - base).interval()
    assert math.log(found.low) == pytest.approx(expected.low + moved)
    assert math.log(found.high) == pytest.approx(expected.high + moved)


@pytest.mark.parametrize(
    ("sigmas", "sizes"),
    [((0.01, 0.01), (8, 8)), ((0.002, 0.05), (8, 3)), ((0.1, 0.02), (3, 12)), ((0.3, 0.3), (2, 2))],
)
def test_the_ratios_interval_covers_the_truth(
    sigmas: tuple[float, float], sizes: tuple[int, int]
) -> None:
    rng = np.random.default_rng(1)
    truth, covered, trials = 1.1, 0, 400
    for _ in range(trials):
        sides = []
        for sigma, size, seconds in zip(sigmas, sizes, (1e-5, 1e-5 * truth), strict=True):
            replicates = seconds * np.exp(rng.normal(0, sigma, (size, 1)))
            interval = time_interval(replicates)
            assert interval is not None
            assert interval.replicates == size
            sides.append(Logarithm.of(interval))
        found = (sides[1] - sides[0]).interval()
        covered += found.low <= truth <= found.high
    assert covered / trials >= 0.917  # three standard errors below 0.95


def test_the_error_is_that_of_the_replicates_that_are_in_the_interval() -> None:
    """Of three replicates one lost: Student's interval is of two, and so is what it says."""
    clean = np.log([2.0, 2.1])
    interval = time_interval(np.array([[2.0, 2.0], [np.nan, np.nan], [2.1, 2.1]]))
    assert interval is not None
    assert interval.replicates == 2
    ((variance, freedom),) = Logarithm.of(interval).parts
    assert math.sqrt(variance) == pytest.approx(clean.std(ddof=1) / math.sqrt(2))
    assert math.sqrt(variance) == pytest.approx(0.024, abs=1e-3)
    assert freedom == 1


def test_pooled_runs_cover_what_single_runs_do_not() -> None:
    """Between runs the machine moves by 10 %, within a run by 1 %: what a new run would give."""
    rng = np.random.default_rng(2)
    pooled, single, trials = 0, 0, 150
    for _ in range(trials):
        sides = []
        for _ in range(2):
            runs = []
            for drift in rng.normal(0, 0.1, 3):
                interval = time_interval(np.exp(drift + rng.normal(0, 0.01, (8, 1))))
                assert interval is not None
                runs.append(Logarithm.of(interval))
            sides.append(runs)
        whole = (pool(sides[1]) - pool(sides[0])).interval()
        alone = (sides[1][0] - sides[0][0]).interval()
        pooled += whole.low <= 1 <= whole.high
        single += alone.low <= 1 <= alone.high
    assert pooled / trials >= 0.89
    assert single / trials < 0.5


@pytest.mark.parametrize("runs", [2, 3, 6])
@pytest.mark.parametrize("between", [0.0, 0.005, 0.1])
def test_an_interval_of_pooled_runs_covers_the_truth(between: float, runs: int) -> None:
    rng = np.random.default_rng(3)
    covered, trials = 0, 150
    for _ in range(trials):
        found = []
        for drift in rng.normal(0, between, runs):
            interval = time_interval(np.exp(drift + rng.normal(0, 0.02, (8, 1))))
            assert interval is not None
            found.append(Logarithm.of(interval))
        whole = pool(found).interval()
        covered += whole.low <= 1 <= whole.high
    assert covered / trials >= 0.85


def test_pooling_trusts_the_precise_run_and_narrows_where_runs_agree() -> None:
    precise, rough = (Logarithm.of(Interval(2.0, 2 / w, 2 * w, 12)) for w in (1.01, 1.2))
    off = Logarithm.of(Interval(2.1, 2.1 / 1.2, 2.1 * 1.2, 12))
    assert pool([precise, off]).interval().estimate == pytest.approx(2.0, rel=1e-3)
    many = pool([rough] * 6).interval()
    assert many.half_width < rough.interval().half_width / 1.5
    far = Logarithm.of(Interval(3.0, 3 / 1.01, 3 * 1.01, 12))
    apart = pool([precise, far]).interval()
    assert apart.low < 2 < 3 < apart.high


def test_a_run_of_unknown_error_is_left_out_of_the_pool_unless_all_are() -> None:
    known = Logarithm.of(Interval(2.0, 1.9, 2.1, 5))
    unknown = [Logarithm.of(Interval(e, 0.0, math.inf, 5)) for e in (3.0, 4.0)]
    assert pool([known, *unknown]) == known
    together = pool(unknown).interval()
    assert together.estimate == pytest.approx(math.sqrt(12))
    assert 0 < together.low < 3
    assert math.isfinite(together.high)


def test_what_is_unknown_stays_unknown() -> None:
    known = Logarithm.of(Interval(1.0, 0.9, 1.1, 5))
    for unknown in (
        Logarithm.of(Interval(2.0, 0.0, math.inf, 5)),
        Logarithm.of(Interval(2.0, 1.9, 2.1, 1)),
        Logarithm.of(Interval(2.0, 1.9, 2.1)),
    ):
        interval = (unknown - known).interval()
        assert interval == Interval(pytest.approx(2.0), 0.0, math.inf)  # type: ignore[arg-type]
        assert verdict(interval, margin=0.05, noise=0.0) == "unclear"


def test_without_scatter_the_interval_is_a_point() -> None:
    exact = Logarithm.of(Interval(2.0, 2.0, 2.0, 3))
    assert (exact - exact).interval() == Interval(1.0, 1.0, 1.0)


@given(st.floats(0, 5), st.floats(0, 5))
def test_noise_of_two_sides_is_more_than_of_one(base: float, other: float) -> None:
    noise = combined_noise(base, other)
    assert noise is not None
    assert noise >= max(base, other) * (1 - 1e-12)
    assert noise <= (1 + base) * (1 + other) - 1 + 1e-9
    assert combined_noise(base, None) is None


@pytest.mark.parametrize(
    ("low", "high", "noise", "expected"),
    [
        (0.97, 1.04, 0.5, "same"),
        (1.01, 1.03, 0.0, "same"),
        (1.06, 1.08, 0.01, "slower"),
        (1.02, 1.08, 0.01, "unclear"),  # beyond the noise, but not beyond the margin
        (1.06, 1.08, 0.07, "unclear"),  # beyond the margin, but not beyond the noise
        (0.7, 0.9, 0.05, "faster"),
        (0.7, 0.98, 0.05, "unclear"),
        (0.7, 1.4, 0.0, "unclear"),
        (1.5, 1.6, None, "unclear"),
    ],
)
def test_verdicts(low: float, high: float, noise: float | None, expected: str) -> None:
    interval = Interval(math.sqrt(low * high), low, high)
    assert verdict(interval, margin=0.05, noise=noise) == expected


def test_an_exact_figure_and_one_that_is_not_have_a_spread_between_them() -> None:
    """A cell is the fastest in one run, exactly, and nearly as fast in another."""
    exact, other = Logarithm(0.0, ((0.0, 1.0),)), Logarithm(0.02, ((1e-5, 5.0),))
    pooled = pool([exact, other])
    assert 0.0 < pooled.middle < 0.02
    assert 1e-5 < pooled.variance < 1e-3
