"""The four verdicts of two times, of which every speedup and every comparison has one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from gradbench.errors import BadRequest

if TYPE_CHECKING:
    from gradbench.statistics.intervals import Interval

Verdict = Literal["faster", "slower", "same", "unclear"]

MARGIN = 0.05
"""Smallest relative difference of two times that matters, unless another is asked for."""


def known(value: Any) -> bool:
    """Say whether a figure is there and finite.

    Args:
        value: A number, or None or NaN where it is unknown.

    Returns:
        Whether it is.
    """
    return value is not None and math.isfinite(value)


def check_margin(margin: float) -> None:
    """Refuse what is no margin.

    Args:
        margin: Smallest relative difference that matters.

    Raises:
        BadRequest: It is no share from 0 to 10.
    """
    if not 0 <= margin <= 10:
        raise BadRequest(f"margin={margin:g}: choose a share from 0 to 10, such as 0.05")


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
        interval lies beyond 1 + max(μ, ν), or below 1 over that. ``unclear``: neither, or an
        end is unknown, zero or infinite.

    Source: D. J. Schuirmann, A comparison of the Two One-Sided Tests Procedure and the Power
        Approach for assessing the equivalence of average bioavailability, Journal of
        Pharmacokinetics and Biopharmaceutics 15, 1987.
    """
    if not (known(interval.low) and known(interval.high) and interval.low > 0):
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
    from gradbench.statistics.intervals import Interval  # SciPy, for which --help must not wait

    return verdict(Interval(1 / speedup, 1 / high, 1 / low), margin=margin, noise=noise)
