"""How often intervals are right: coverage, false alarms, the smallest difference found."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradbench.statistics.intervals import Interval, noise_floor
from gradbench.statistics.share import Share

POWER = 0.8
"""A difference is detectable if this share of the re-runs finds it, as power analyses ask for."""

Intervals = Sequence[Mapping[str, Interval]]
"""For each re-run the interval of every cell's speedup."""


def coverage(reruns: Intervals) -> Share:
    """Count the intervals that hold the median of the re-runs' estimates of their cell.

    Args:
        reruns: Intervals of each re-run.

    Returns:
        Hits and trials over all cells and re-runs; cells seen in one re-run only do not count.
    """
    hits = trials = 0
    for cell in _cells(reruns):
        intervals = [rerun[cell] for rerun in reruns if cell in rerun]
        if len(intervals) < 2:
            continue
        truth = float(np.median([interval.estimate for interval in intervals]))
        hits += sum(interval.low <= truth <= interval.high for interval in intervals)
        trials += len(intervals)
    return Share(hits, trials)


def false_alarms(reruns: Intervals, identical: Sequence[str], *, beyond_noise: bool) -> Share:
    """Count the intervals of cells identical to the baseline that call them different.

    Args:
        reruns: Intervals of each re-run.
        identical: Names of these cells; with ``beyond_noise`` the twin is none of them, since it
            sets the noise floor.
        beyond_noise: Whether a difference must lie beyond the block's noise floor.

    Returns:
        Alarms and trials.
    """
    alarms = trials = 0
    for rerun in reruns:
        margin = _margin(rerun) if beyond_noise else 1.0
        for cell in identical:
            if cell in rerun and not (beyond_noise and cell == "twin"):
                trials += 1
                alarms += rerun[cell].low > margin or rerun[cell].high < 1 / margin
    return Share(alarms, trials)


def found(reruns: Intervals, planted: Sequence[str], *, beyond_noise: bool) -> dict[str, Share]:
    """Count how often a planted slowdown is called one.

    Args:
        reruns: Intervals of each re-run.
        planted: Names of the cells that were made slower.
        beyond_noise: Whether a difference must lie beyond the block's noise floor.

    Returns:
        Finds and trials by cell.
    """
    shares = {}
    for cell in planted:
        seen = [rerun for rerun in reruns if cell in rerun]
        margins = [_margin(rerun) if beyond_noise else 1.0 for rerun in seen]
        hits = sum(r[cell].high < 1 / m for r, m in zip(seen, margins, strict=True))
        shares[cell] = Share(hits, len(seen))
    return shares


def detectable(shares: Mapping[str, Share], sizes: Mapping[str, float]) -> float | None:
    """Return the smallest difference that is found, as are all larger ones.

    Args:
        shares: Finds and trials by cell.
        sizes: Relative difference planted in each cell.

    Returns:
        Size of the smallest whose share of finds, and that of every larger one, is ``POWER`` or
        more; None where the largest is not found.
    """
    smallest = None
    for cell in sorted(shares, key=lambda cell: -sizes[cell]):
        if not shares[cell].estimate >= POWER:
            break
        smallest = sizes[cell]
    return smallest


def figures(
    reruns: Intervals, identical: Sequence[str], sizes: Mapping[str, float]
) -> dict[str, Any]:
    """Judge a method by its intervals.

    Args:
        reruns: Intervals of each re-run.
        identical: Cells that are the baseline again.
        sizes: Relative difference planted in each slowed cell.

    Returns:
        Columns of ``calibrations``.
    """
    covered = coverage(reruns)
    alarms = false_alarms(reruns, identical, beyond_noise=False)
    beyond = false_alarms(reruns, identical, beyond_noise=True)
    widths = [interval.half_width for rerun in reruns for interval in rerun.values()]
    logs = {
        cell: [math.log(rerun[cell].estimate) for rerun in reruns if cell in rerun]
        for cell in _cells(reruns)
    }
    spreads = [float(np.std(values, ddof=1)) for values in logs.values() if len(values) > 1]
    same = [value for cell in identical for value in logs.get(cell, [])]
    return {
        **covered.columns("coverage"),
        "intervals": covered.trials,
        **alarms.columns("false_alarms"),
        "identical": alarms.trials,
        "false_alarms_beyond_noise": beyond.estimate if beyond.trials else None,
        "detectable_difference": detectable(found(reruns, list(sizes), beyond_noise=False), sizes),
        "detectable_beyond_noise": detectable(found(reruns, list(sizes), beyond_noise=True), sizes),
        "half_width": float(np.median(widths)) if widths else None,
        "spread": float(np.median(spreads)) if spreads else None,
        "bias": float(np.mean(same)) if same else None,
    }


def _cells(reruns: Intervals) -> list[str]:
    return sorted({cell for rerun in reruns for cell in rerun})


def _margin(rerun: Mapping[str, Interval]) -> float:
    """Return 1 + the noise floor; infinite where it is not known, since nothing is found then."""
    floor = noise_floor(rerun.get("twin"))
    return math.inf if floor is None else 1 + floor
