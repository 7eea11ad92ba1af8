import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradbench.terminal.figures import (
    format_seconds,
    half_width,
    ratio,
    ratio_interval,
    seconds,
    seconds_interval,
)


@pytest.mark.parametrize(
    ("value", "half", "text"),
    [
        (249e-6, 0.27, "0.25 ms"),  # not 249 µs, of which the 9 is unknown
        (249e-6, 0.05, "249 µs"),
        (249e-6, 1.5, "0.2 ms"),
        (249e-6, None, "0.25 ms"),
        (24.9e-6, 0.27, "25 µs"),
        (249.0, 0.27, "250 s"),  # there is no larger unit
        (99.96e-6, 0.2, "0.10 ms"),
        (9.996e-4, 0.01, "1.00 ms"),
        (None, 0.1, "–"),
    ],
)
def test_a_time_has_the_digits_that_its_interval_leaves(
    value: float | None, half: float | None, text: str
) -> None:
    assert seconds(value, half) == text


@pytest.mark.parametrize(
    ("value", "low", "high", "text", "interval"),
    [
        (2.6, 2.1, 3.2, "2.6×", "2.1 – 3.2"),
        (2.57, 2.55, 2.59, "2.57×", "2.55 – 2.59"),
        (1.004, 1.003, 1.005, "1.00×", "1.00 – 1.00"),
        (13.4, 11.8, 14.6, "13×", "12 – 15"),
        (75.7, 72.8, 77.6, "75.7×", "72.8 – 77.6"),
        (131.0, 110.0, 158.0, "130×", "110 – 158"),
        (0.385, 0.380, 0.391, "0.385×", "0.380 – 0.391"),
        (20.0, 0.017, 18000.0, "20×", "unknown"),
        (2.0, 0.0, math.inf, "2.0×", "unknown"),
        (None, None, None, "–", "unknown"),
    ],
)
def test_a_speedup_has_the_digits_that_its_interval_leaves(
    value: float | None, low: float | None, high: float | None, text: str, interval: str
) -> None:
    assert ratio(value, half_width(low, high)) == text
    assert ratio_interval(low, high) == interval


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (36.1e-6, 40e-6, "36.1 – 40.0 µs"),
        (196e-6, 316e-6, "0.20 – 0.32 ms"),
        (0.9e-3, 1.1e-3, "0.90 – 1.10 ms"),
        (0.78e-3, 17e-3, "0.78 ms – 17 ms"),
        (1e-6, 1e-3, "unknown"),
        (0.0, 1e-3, "unknown"),
    ],
)
def test_an_interval_of_times_has_one_unit(low: float, high: float, text: str) -> None:
    assert seconds_interval(low, high) == text


@given(st.floats(1e-9, 1e4), st.integers(1, 3))
def test_no_digit_is_written_that_was_not_asked_for(value: float, figures: int) -> None:
    number, unit = format_seconds(value, figures).split(" ")
    scale = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}[unit]
    written = float(number) * scale
    assert written == pytest.approx(value, rel=0.5 * 10.0 ** (1 - figures) + 1e-9)
    significant = number.replace(".", "").lstrip("0")
    assert len(significant.rstrip("0") if unit == "s" else significant) <= figures
