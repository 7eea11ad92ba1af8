"""Whether a speedup is one: what its interval and the block's noise floor allow to be said."""

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
