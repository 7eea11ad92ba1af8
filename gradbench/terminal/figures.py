"""Figures as people read them: three significant digits and a unit."""

from __future__ import annotations

import math
from typing import Any

from gradbench.statistics.verdicts import known

UNKNOWN = "–"

_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_BYTES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B"))


def seconds(value: Any) -> str:
    """Format a duration, such as ``38.2 µs``; a dash where it is unknown."""
    return format_seconds(value) if known(value) else UNKNOWN


def format_seconds(seconds: float | None) -> str:
    """Format a duration with three significant figures and a unit.

    Args:
        seconds: Duration in seconds; None or NaN where unknown.

    Returns:
        Such as ``38.2 µs``; empty where unknown.
    """
    if not known(seconds) or seconds is None:
        return ""
    for scale, unit in _UNITS:
        if seconds >= scale or scale == _UNITS[-1][0]:
            value = seconds / scale
            digits = max(0, 2 - math.floor(math.log10(value))) if value > 0 else 0
            return f"{value:.{digits}f} {unit}"
    raise AssertionError("the last unit takes everything")


def seconds_interval(low: Any, high: Any) -> str:
    """Format an interval of durations in one unit, such as ``36.1 – 40.0 µs``."""
    if not (known(low) and known(high)) or low <= 0:
        return "unknown"
    first, _, first_unit = format_seconds(low).partition(" ")
    last, _, last_unit = format_seconds(high).partition(" ")
    head = first if first_unit == last_unit else f"{first} {first_unit}"
    return f"{head} – {last} {last_unit}"


def ratio(value: Any) -> str:
    """Format a ratio with three significant digits, two decimals at most, such as ``1.52×``."""
    if not known(value):
        return UNKNOWN
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f}×"


def ratio_interval(low: Any, high: Any) -> str:
    """Format an interval of ratios, such as ``1.50 – 1.54``."""
    if not (known(low) and known(high)) or high > 1e6:
        return "unknown"
    return f"{ratio(low)[:-1]} – {ratio(high)[:-1]}"


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


def number(value: Any) -> str:
    """Format a number with three significant digits."""
    if not known(value):
        return UNKNOWN
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
        return f"{value:.{digits}f}"
    return f"{value:.2e}"


def plain(value: Any) -> str:
    """Turn a stored value into text, a dash where there is none."""
    import pandas as pd

    return UNKNOWN if pd.isna(value) else str(value)
