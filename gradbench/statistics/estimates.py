"""From samples to figures: which samples count, and what they say."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradbench.statistics.intervals import (
    Interval,
    Times,
    noise_floor,
    ratio_interval,
    slow_rounds,
    time_interval,
)
from gradbench.statistics.sample import Phase, Sample

Key = tuple[str, Phase]

HOST_BOUND = 0.5
"""A GPU's control whose calls return no sooner than this share of its time waits for the host."""


@dataclass(frozen=True)
class Estimates:
    """What the isolated samples of a block say.

    Args:
        times: Interval of the seconds per call, by cell and phase.
        host_s: Median seconds until the calls had returned, by cell and phase.
        device_s: Median seconds between events, by cell and phase; empty on CPU.
        speedups: Interval of the baseline's update time over the cell's, by cell.
        noise_floor: Largest departure from 1 that the twin's interval admits.
        disturbed: Number of disturbed update samples, by cell.
        contended: Too few samples were clean, so that all of them count.
        disturbed_samples: For each sample in order, whether it is disturbed.
        switched: Share of update samples in which the process was switched out.
        slow: Share of rounds whose bandwidth control was slow.
    """

    times: dict[Key, Interval]
    host_s: dict[Key, float]
    device_s: dict[Key, float]
    speedups: dict[str, Interval]
    noise_floor: float | None
    disturbed: dict[str, int]
    contended: bool
    disturbed_samples: list[bool]
    switched: float = 0.0
    slow: float = 0.0

    def converged(self, cell: str, precision: float) -> bool:
        """Say whether a cell's speedup is known to a precision."""
        interval = self.speedups.get(cell)
        return interval is not None and interval.half_width <= precision


def estimate(
    samples: Sequence[Sample], *, baseline: str, twin: str, control: str, busy: bool = False
) -> Estimates:
    """Turn a block's isolated samples into figures.

    A sample is disturbed if the process was switched out in it, or if the bandwidth control of
    its round was slow; a control that waits for the host is none of bandwidth. Where fewer than
    half of the update samples are clean, or none of a cell is, leaving the others out would choose
    what to believe; then all count.

    Args:
        samples: Samples of the isolated protocol.
        baseline: Cell that speedups refer to.
        twin: The baseline's second appearance.
        control: The bandwidth control.
        busy: The machine was busy meanwhile: intervals allow for replicates that correlate.

    Returns:
        The figures.
    """
    controlled = _grid([s for s in samples if (s.cell, s.phase) == (control, "update")])
    slow = slow_rounds(controlled)
    if _waits_for_host([s for s in samples if s.cell == control]):
        slow[:] = False
    disturbed = [s.switched or bool(slow[s.replicate, s.round]) for s in samples]
    updates = [(s.cell, d) for s, d in zip(samples, disturbed, strict=True) if s.phase == "update"]
    marked = Counter(cell for cell, d in updates if d)
    taken = Counter(cell for cell, _ in updates)
    spoilt = any(marked[cell] == number for cell, number in taken.items())
    contended = spoilt or 2 * marked.total() > len(updates)
    kept = [s for s, d in zip(samples, disturbed, strict=True) if contended or not d]
    keys = sorted({(s.cell, s.phase) for s in samples})
    shape = slow.shape
    by_key: dict[Key, list[Sample]] = {key: [] for key in keys}
    for sample in kept:
        by_key[sample.cell, sample.phase].append(sample)
    grids: dict[Key, Times] = {key: _grid(found, shape) for key, found in by_key.items()}
    base = grids.get((baseline, "update"), np.full(shape, math.nan))
    ratios = {
        cell: ratio_interval(base, grid, busy=busy)
        for (cell, phase), grid in grids.items()
        if phase == "update" and cell not in (baseline, control)
    }
    speedups = {cell: ratio for cell, ratio in ratios.items() if ratio is not None}
    if (baseline, "update") in grids:
        speedups[baseline] = Interval(1.0, 1.0, 1.0)
    times = {key: time_interval(grid, busy=busy) for key, grid in grids.items()}
    return Estimates(
        times={key: interval for key, interval in times.items() if interval is not None},
        host_s=_medians(kept, keys, "host_s"),
        device_s=_medians(kept, keys, "device_s"),
        speedups=speedups,
        noise_floor=noise_floor(speedups.get(twin)),
        disturbed={cell: marked[cell] for cell, phase in keys if phase == "update"},
        contended=contended,
        disturbed_samples=disturbed,
        switched=float(np.mean([s.switched for s in samples if s.phase == "update"] or [False])),
        slow=float(slow.sum() / max(np.isfinite(controlled).sum(), 1)),
    )


def _waits_for_host(control: Sequence[Sample]) -> bool:
    """Say whether a GPU's control took as long as launching it, and so says nothing of memory."""
    launched = [s for s in control if s.device_s is not None]
    shares = [s.host_s / s.seconds for s in launched if s.seconds > 0]
    return bool(shares) and float(np.median(shares)) > HOST_BOUND


def _grid(samples: Sequence[Sample], shape: tuple[int, ...] | None = None) -> NDArray[np.float64]:
    """Lay out one arm's seconds as replicates × rounds, NaN where there is none."""
    if shape is None:
        replicates = max((s.replicate for s in samples), default=-1) + 1
        shape = (replicates, max((s.round for s in samples), default=-1) + 1)
    grid = np.full(shape, math.nan)
    for sample in samples:
        if sample.seconds <= 0:  # of a clock that was set back: no time at all
            continue
        grid[sample.replicate, sample.round] = sample.seconds
    return grid


def _medians(samples: Sequence[Sample], keys: Sequence[Key], figure: str) -> dict[Key, float]:
    """Take the median of a figure for each key that has it."""
    values: dict[Key, list[float]] = {key: [] for key in keys}
    for sample in samples:
        value = getattr(sample, figure)
        if value is not None:
            values[sample.cell, sample.phase].append(value)
    return {key: float(np.median(found)) for key, found in values.items() if found}
