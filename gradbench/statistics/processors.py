"""Replicates by the processor on which they began: processors differ, and all take part."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
Flags = NDArray[np.bool_]


def numbered(processors: Sequence[int | None], replicates: int) -> NDArray[np.int64]:
    """List on which processor each replicate began, -1 where it is unknown; of all if empty."""
    known = [-1 if each is None else each for each in processors] or [-1] * replicates
    return np.array(known, dtype=np.int64)


def by_processor(there: Flags, processors: NDArray[np.int64]) -> list[Flags]:
    """Part replicates by the processor they began on.

    Args:
        there: Which replicates.
        processors: Of every replicate, as :func:`numbered` lists them.

    Returns:
        Those of each processor, if all have two at least; or else all of them together.
    """
    groups = [there & (processors == each) for each in np.unique(processors[there])]
    return groups if groups and all(group.sum() > 1 for group in groups) else [there]


def variance_share(groups: Sequence[Flags]) -> float:
    """Give what is left of a replicate's variance in the mean of the groups' means."""
    return float(sum(1 / group.sum() for group in groups)) / len(groups) ** 2


def residuals(values: Reals, groups: Sequence[Flags]) -> Reals:
    """Take each group's median away, NaN where there is none.

    What is left is scaled: n values about K medians vary by their squares over n − K, not n − 1.
    """
    left = np.full(values.shape, math.nan)
    count = sum(int(group.sum()) for group in groups)
    for group in groups:
        size = int(group.sum())
        scale = math.sqrt((count - 1) / count * size / (size - 1)) if size > 1 else 1.0
        left[group] = (values[group] - np.median(values[group])) * scale if size else math.nan
    return left
