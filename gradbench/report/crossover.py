"""Crossovers in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gradbench.predict.crossover import Crossover
from gradbench.terminal.figures import count


def say_crossovers(changes: Sequence[Crossover], of: str, fastest: str, margin: float) -> str:
    """Say where the fastest strategy changes.

    Args:
        changes: In ascending order.
        of: What they lie along: parameters or tensors.
        fastest: The strategy that is fastest where none changes.
        margin: Smallest relative difference that made them changes.

    Returns:
        Such as ``optimizer_fused below 120 000, flat above 120 000 parameters``.
    """
    if not changes:
        return f"{fastest} is fastest, or within {100 * margin:g} %, all along the {of}"
    first = f"{changes[0].below} below {count(_rounded(changes[0].at))}"
    rest = [f"{change.above} above {count(_rounded(change.at))}" for change in changes]
    return f"{', '.join([first, *rest])} {of}"


def _rounded(value: float) -> int:
    """Round to two significant digits: a crossover is not known to more."""
    digits = 1 - math.floor(math.log10(max(value, 1.0)))
    return round(round(value, digits))
