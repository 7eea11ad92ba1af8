import math
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gradbench.errors import BadRequest
from gradbench.statistics.intervals import Interval
from gradbench.statistics.verdicts import check_margin, speedup_verdict, verdict

OPPOSITE = {"faster": "slower", "slower": "faster", "same": "same", "unclear": "unclear"}

intervals = st.builds(
    lambda low, width: Interval(low * math.sqrt(width), low, low * width),
    st.floats(1e-3, 1e3),
    st.floats(1.0, 100.0),
)
margins = st.floats(0.0, 1.0)
noises = st.floats(0.0, 1.0) | st.none()


@given(intervals, margins, noises)
def test_same_is_an_interval_within_the_margin_and_nothing_else(
    interval: Interval, margin: float, noise: float | None
) -> None:
    within = interval.low >= 1 / (1 + margin) and interval.high <= 1 + margin
    assert (verdict(interval, margin=margin, noise=noise) == "same") == within


@given(intervals, margins, st.floats(0.0, 1.0))
def test_faster_and_slower_lie_beyond_margin_and_noise(
    interval: Interval, margin: float, noise: float
) -> None:
    found = verdict(interval, margin=margin, noise=noise)
    if found == "slower":
        assert interval.low > 1 + margin
        assert interval.low > 1 + noise
    if found == "faster":
        assert interval.high < 1 / (1 + margin)
        assert interval.high < 1 / (1 + noise)
    assert verdict(interval, margin=margin, noise=None) in ("same", "unclear")


@given(intervals, margins, noises)
def test_swapping_the_sides_swaps_faster_and_slower_and_nothing_else(
    interval: Interval, margin: float, noise: float | None
) -> None:
    back = Interval(1 / interval.estimate, 1 / interval.high, 1 / interval.low)
    edges = [1 + margin, 1 / (1 + margin), 1 + (noise or 0), 1 / (1 + (noise or 0))]
    ends = (interval.low, interval.high)
    assume(not any(math.isclose(end, edge, rel_tol=1e-9) for end in ends for edge in edges))
    there = verdict(interval, margin=margin, noise=noise)
    assert OPPOSITE[there] == verdict(back, margin=margin, noise=noise)


@given(intervals, margins, margins, noises)
def test_a_wider_interval_never_says_more(
    interval: Interval, margin: float, wider: float, noise: float | None
) -> None:
    low, high = interval.low / (1 + wider), interval.high * (1 + wider)
    wide = verdict(replace(interval, low=low, high=high), margin=margin, noise=noise)
    assert wide in ("unclear", verdict(interval, margin=margin, noise=noise))


@given(intervals, margins, noises)
def test_a_speedup_has_the_verdict_of_the_time_that_its_inverse_is(
    interval: Interval, margin: float, noise: float | None
) -> None:
    figures = (interval.estimate, interval.low, interval.high)
    inverse = Interval(*(1 / end for end in (interval.estimate, interval.high, interval.low)))
    assert speedup_verdict(*figures, margin=margin, noise=noise) == verdict(
        inverse, margin=margin, noise=noise
    )


@pytest.mark.parametrize(
    ("low", "high", "floor", "shown"),
    [
        (1.07, 1.10, 0.02, "faster"),
        (1.03, 1.10, 0.02, "unclear"),  # beyond the noise floor, and not beyond the margin
        (1.07, 1.10, 0.08, "unclear"),  # reaches into the noise floor
        (0.90, 0.94, 0.02, "slower"),
        (0.96, 1.04, 0.30, "same"),  # however much the twins differ
        (0.90, 1.10, 0.02, "unclear"),  # about 1 is not the same
        (1.5, 1.6, None, "unclear"),  # nothing can be told from noise that nobody knows
        (float("nan"), float("nan"), 0.02, "unclear"),
        (0.0, 1.6, 0.02, "unclear"),
        (1.5, math.inf, 0.02, "unclear"),
    ],
)
def test_verdicts_of_speedups(low: float, high: float, floor: float | None, shown: str) -> None:
    assert speedup_verdict(1.2, low, high, noise=floor) == shown
    back = OPPOSITE[shown]
    assert verdict(Interval(1.2, low, high), noise=floor) == back


@pytest.mark.parametrize("margin", [-0.01, math.nan, math.inf, 10.5])
def test_what_is_no_margin_is_refused(margin: float) -> None:
    with pytest.raises(BadRequest, match=r"choose a share from 0 to 10"):
        check_margin(margin)
    check_margin(0.05)
