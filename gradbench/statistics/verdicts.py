"""What may be said: of a speedup, of two that are close, of a ratio between two runs."""

from __future__ import annotations

import math
from typing import Any, Literal

from gradbench.statistics.intervals import Interval

Verdict = Literal["faster", "slower", "same", "unclear"]

MARGIN = 0.05
"""Smallest relative difference of two times that matters, unless another is asked for."""

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


def verdict(interval: Interval, *, margin: float = MARGIN, noise: float | None) -> Verdict:
    """Say what an interval of a ratio of times shows.

    The same under inversion: swapping the sides swaps ``faster`` and ``slower``, nothing else.
    With margin μ and noise floor ν, *same* is two one-sided tests of a departure by μ; what is
    neither that nor a departure beyond both μ and ν is not known.

    Args:
        interval: Of a time over another's.
        margin: Smallest relative difference that matters.
        noise: Departure from 1 that two identical cells may show; None where unknown.

    Returns:
        ``same``: the whole interval lies within [1/(1+μ), 1+μ]. ``slower``, ``faster``: the whole
        interval lies beyond 1 + max(μ, ν), or below 1 over that. ``unclear``: neither.

    Source: D. J. Schuirmann, A comparison of the Two One-Sided Tests Procedure and the Power
        Approach for assessing the equivalence of average bioavailability, Journal of
        Pharmacokinetics and Biopharmaceutics 15, 1987.
    """
    if not (known(interval.low) and known(interval.high)):
        return "unclear"
    if interval.low >= 1 / (1 + margin) and interval.high <= 1 + margin:
        return "same"
    if noise is None or not known(noise):
        return "unclear"
    beyond = 1 + max(margin, noise)
    if interval.low > beyond:
        return "slower"
    if interval.high < 1 / beyond:
        return "faster"
    return "unclear"


def speedup_verdict(
    speedup: float | None,
    low: float | None,
    high: float | None,
    *,
    margin: float = MARGIN,
    noise: float | None,
) -> Verdict:
    """Say what a speedup shows: of a time that the cell's own divides.

    Args:
        speedup: Of the other's time over the cell's.
        low: Lower end of its 95 % interval.
        high: Upper end.
        margin: Smallest relative difference that matters.
        noise: The noise floor; None or NaN where unknown.

    Returns:
        Of the cell: ``faster`` where the speedup is above 1. ``unclear`` where it is unknown.
    """
    if speedup is None or low is None or high is None or not (known(speedup) and low > 0):
        return "unclear"
    return verdict(Interval(1 / speedup, 1 / high, 1 / low), margin=margin, noise=noise)
