"""What may be said: of a speedup, of two that are close, of a ratio between two runs."""

from __future__ import annotations

import math
from typing import Any, Literal

from gradbench.statistics.intervals import Interval

Verdict = Literal["faster", "slower", "same", "unclear"]

FASTER, SLOWER, NO_DIFFERENCE = "faster", "slower", "no difference"


def known(value: Any) -> bool:
    """Say whether a figure is there and finite.

    Args:
        value: A number, or None or NaN where it is unknown.

    Returns:
        Whether it is.
    """
    return value is not None and math.isfinite(value)


def difference(low: float | None, high: float | None, floor: float | None) -> str:
    """Say what a speedup's interval and noise floor show.

    With floor ν, a speedup between 1/(1+ν) and 1+ν is what two copies of the same code differ by,
    so an interval that reaches into this band shows no difference.

    Args:
        low: Lower end of the speedup's 95 % interval.
        high: Upper end.
        floor: The block's noise floor; None or NaN if unknown, and then nothing is shown.

    Returns:
        ``faster``, ``slower`` or ``no difference``.
    """
    if not (known(low) and known(high) and known(floor)):
        return NO_DIFFERENCE
    assert low is not None
    assert high is not None
    assert floor is not None
    if low > 1 + floor:
        return FASTER
    if high < 1 / (1 + floor):
        return SLOWER
    return NO_DIFFERENCE


def ties(high: float | None, best_low: float | None, floor: float | None) -> bool:
    """Say whether a speedup cannot be told from the best one of its block.

    Args:
        high: Upper end of the speedup's 95 % interval.
        best_low: Lower end of the best one's.
        floor: The block's noise floor, by which two copies of the same code differ.

    Returns:
        Whether its interval, widened by the noise floor, reaches the best one's; not where one of
        them is unknown.
    """
    if not (known(high) and known(best_low) and known(floor)):
        return False
    assert high is not None
    assert best_low is not None
    assert floor is not None
    return high * (1 + floor) >= best_low


def reaches(seconds: float, high: float, best: float, best_high: float) -> bool:
    """Say whether a predicted time cannot be told from the best one.

    Their ratio's interval holds 1; both are symmetric in the logarithm, and independent:
    ln(t/b) ≤ √(ln²(t↑/t) + ln²(b↑/b)).

    Args:
        seconds: The time t, in seconds.
        high: Upper end t↑ of its 95 % prediction interval, in seconds.
        best: The best time b, in seconds.
        best_high: Upper end b↑ of its interval, in seconds.

    Returns:
        Whether it cannot.
    """
    reach = math.hypot(math.log(high / seconds), math.log(best_high / best))
    return math.log(seconds / best) <= reach


def verdict(interval: Interval, *, margin: float, noise: float | None) -> Verdict:
    """Say what an interval of a ratio shows.

    The same under inversion: swapping the sides swaps ``faster`` and ``slower``, nothing else.

    Args:
        interval: Of the other side's time over the base's.
        margin: Smallest relative difference that matters.
        noise: Departure from 1 that two identical cells may show; None where unknown.

    Returns:
        ``same``: the whole interval is within the margin of 1. ``slower``, ``faster``: the whole
        interval lies beyond the noise. ``unclear``: neither.
    """
    if interval.low >= 1 / (1 + margin) and interval.high <= 1 + margin:
        return "same"
    if noise is None:
        return "unclear"
    if interval.low > 1 + noise:
        return "slower"
    if interval.high < 1 / (1 + noise):
        return "faster"
    return "unclear"
