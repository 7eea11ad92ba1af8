"""Figures as people read them: as many digits as are known, and a unit."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from gradbench.statistics.verdicts import known

UNKNOWN = "–"

MOST_DIGITS = 3

_HOPELESS = 100.0
"""Upper end over lower end from which on an interval says nothing."""

_UNITS = {0: "s", -3: "ms", -6: "µs", -9: "ns"}
_BYTES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B"))


def half_width(low: Any, high: Any) -> float | None:
    """Give an interval's relative half-width, √(high/low) − 1.

    Args:
        low: Lower end; None or NaN where unknown.
        high: Upper end.

    Returns:
        The half-width; None where an end is unknown, zero or infinite.
    """
    return math.sqrt(high / low) - 1 if _is_interval(low, high) else None


def digits(half: float | None) -> int:
    """Say how many significant digits of a figure are known.

    Args:
        half: Relative half-width of its 95 % interval; None where unknown.

    Returns:
        One from 100 % on, two from 10 % on and where nothing is known, else three.
    """
    if half is None:
        return 2
    return 1 if half >= 1 else 2 if half >= 0.1 else MOST_DIGITS


def seconds(value: Any, half: float | None = None) -> str:
    """Format a measured duration, such as ``38.2 µs``; a dash where it is unknown.

    Args:
        value: Seconds.
        half: Relative half-width of its interval, which says how many digits are known.

    Returns:
        Such as ``0.25 ms`` for 249 µs ± 27 %.
    """
    return format_seconds(value, digits(half)) if known(value) else UNKNOWN


def format_seconds(seconds: float | None, figures: int = MOST_DIGITS) -> str:
    """Format a duration in the unit in which every digit before the point is a known one.

    Args:
        seconds: Duration in seconds; None or NaN where unknown.
        figures: Significant digits.

    Returns:
        Such as ``38.2 µs``; empty where unknown.
    """
    if not known(seconds) or seconds is None:
        return ""
    if seconds <= 0:
        return f"{seconds:.0f} ns"
    rounded = _rounded(seconds, figures)
    unit = _unit(rounded, figures)
    return f"{_fixed(rounded.scaleb(-unit), figures)} {_UNITS[unit]}"


def seconds_interval(low: Any, high: Any) -> str:
    """Format an interval of durations in one unit, such as ``36.1 – 40.0 µs``."""
    half = half_width(low, high)
    if half is None or high >= _HOPELESS * low:
        return "unknown"
    if half >= 1:  # the ends have no unit in common
        return f"{seconds(low)} – {seconds(high)}"
    middle = _rounded(math.sqrt(low * high), digits(half))
    unit = _unit(middle, digits(half))
    decimals = _decimals(middle.scaleb(-unit), digits(half))
    first, last = (f"{end / 10.0**unit:.{decimals}f}" for end in (low, high))
    return f"{first} – {last} {_UNITS[unit]}"


def ratio(value: Any, half: float | None = None) -> str:
    """Format a ratio, such as ``1.52×``: around 1 with two decimals at most.

    Args:
        value: The ratio.
        half: Relative half-width of its interval, which says how many digits are known.

    Returns:
        Such as ``2.6×`` beside an interval from 2.1 to 3.2; a dash where it is unknown.
    """
    if not known(value) or value <= 0:
        return UNKNOWN
    rounded = _rounded(value, digits(half))
    return f"{rounded:.{_ratio_decimals(rounded, digits(half))}f}×"


def ratio_interval(low: Any, high: Any) -> str:
    """Format an interval of ratios, such as ``1.50 – 1.54``."""
    half = half_width(low, high)
    if half is None or high >= _HOPELESS * low:
        return "unknown"
    if half >= 1:
        return f"{ratio(low)[:-1]} – {ratio(high)[:-1]}"
    figures = digits(half)
    decimals = _ratio_decimals(_rounded(math.sqrt(low * high), figures), figures)
    return f"{low:.{decimals}f} – {high:.{decimals}f}"


def _is_interval(low: Any, high: Any) -> bool:
    return known(low) and known(high) and bool(low > 0)


def _rounded(value: float, figures: int) -> Decimal:
    return Decimal(f"{value:.{figures - 1}e}")


def _unit(value: Decimal, figures: int) -> int:
    """Choose a unit's exponent: one up where the digits before the point would be unknown."""
    unit = next((unit for unit in _UNITS if value.adjusted() >= unit), -9)
    return unit + 3 if unit < 0 and value.adjusted() - unit >= figures else unit


def _decimals(value: Decimal, figures: int) -> int:
    return max(0, figures - 1 - value.adjusted())


def _ratio_decimals(value: Decimal, figures: int) -> int:
    most = 2 if value >= Decimal("0.5") else 9
    return min(most, _decimals(value, figures))


def _fixed(value: Decimal, figures: int) -> str:
    return f"{value:.{_decimals(value, figures)}f}"


def percent(value: Any) -> str:
    """Format a share of one in per cent, such as ``1.4 %``."""
    if not known(value):
        return "unknown"
    return f"{100 * value:.1f} %" if abs(value) < 0.995 else f"{100 * value:.0f} %"


def size(value: Any) -> str:
    """Format a number of bytes with a decimal prefix, such as ``1.24 MB``."""
    if not known(value):
        return UNKNOWN
    for scale, unit in _BYTES:
        if abs(value) >= scale:
            return f"{value / scale:.3g} {unit}" if scale > 1 else f"{value:.0f} {unit}"
    return "0 B"


def count(value: Any) -> str:
    """Format a whole number with thin gaps, such as ``124 337 664``."""
    return f"{int(value):,}".replace(",", "\u202f") if known(value) else UNKNOWN


def threads(value: Any) -> str:
    """Format a number of threads, such as ``1 thread`` or ``2 threads``."""
    if not known(value):
        return f"{UNKNOWN} threads"
    return f"{int(value)} thread{'' if value == 1 else 's'}"


def number(value: Any, figures: int = MOST_DIGITS) -> str:
    """Format a number with some significant digits; a dash where it is unknown."""
    if not known(value):
        return UNKNOWN
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        decimals = max(0, figures - 1 - math.floor(math.log10(abs(value)))) if value else 0
        return f"{value:.{decimals}f}"
    return f"{value:.{figures - 1}e}"


def plain(value: Any) -> str:
    """Turn a stored value into text, a dash where there is none."""
    import pandas as pd

    return UNKNOWN if pd.isna(value) else str(value)
