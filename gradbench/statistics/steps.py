"""From the samples of real training steps to figures of the whole step and of its phases."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gradbench.statistics.effects import effects
from gradbench.statistics.intervals import Interval, Times, noise_floor
from gradbench.statistics.sample import Phase, Sample

Key = tuple[str, Phase]

FEWEST_STEPS = 6
"""Clean whole steps, or clean pairs of them, below which there is no figure."""


@dataclass(frozen=True)
class StepEstimates:
    """What the samples of the training protocol say.

    Args:
        times: Interval of the seconds of a whole step, by cell.
        speedups: Interval of the baseline's step over the cell's, by cell; 1 for the baseline.
        noise_floor: Largest departure from 1 that the twin's interval admits; None if unknown.
        samples: Number of clean whole steps, by cell.
        phases: Median seconds of the clean samples, by cell and phase; ``step`` is none of them.
    """

    times: dict[str, Interval] = field(default_factory=dict)
    speedups: dict[str, Interval] = field(default_factory=dict)
    noise_floor: float | None = None
    samples: dict[str, int] = field(default_factory=dict)
    phases: dict[Key, float] = field(default_factory=dict)


def estimate_steps(
    samples: Sequence[Sample], *, baseline: str, twin: str, busy: bool = False
) -> StepEstimates:
    """Turn samples of training steps into figures; disturbed ones are in none of them.

    Whole steps are paired by pass and step. Steps of a pass share one binding and one moment of
    the machine, so that a pass counts once, by its median, however many steps it has.

    Args:
        samples: Samples of the training protocol.
        baseline: Cell that speedups refer to.
        twin: The baseline's second appearance.
        busy: The machine was busy meanwhile: intervals allow for passes that correlate.

    Returns:
        The figures; none of a step from fewer than ``FEWEST_STEPS`` clean ones.
    """
    clean = [s for s in samples if not s.switched and s.seconds > 0]
    grids = _grids([s for s in clean if s.phase == "step"])
    counted = {cell: int(np.isfinite(grid).sum()) for cell, grid in grids.items()}
    taken_apart = effects(grids, busy=busy)
    times = {cell: taken_apart.time(cell) for cell in grids if counted[cell] >= FEWEST_STEPS}
    base = grids.get(baseline, np.empty(0))
    ratios = {
        cell: taken_apart.ratio(baseline, cell)
        for cell, grid in grids.items()
        if cell != baseline and base.size and np.isfinite(base + grid).sum() >= FEWEST_STEPS
    }
    speedups = {cell: interval for cell, interval in ratios.items() if interval is not None}
    if times.get(baseline) is not None:
        speedups[baseline] = Interval(1.0, 1.0, 1.0)
    counts = {s.cell: 0 for s in samples if s.phase == "step"}
    return StepEstimates(
        times={cell: interval for cell, interval in times.items() if interval is not None},
        speedups=speedups,
        noise_floor=noise_floor(speedups.get(twin)),
        samples=counts | counted,
        phases=medians_by_phase(clean),
    )


def medians_by_phase(samples: Sequence[Sample]) -> dict[Key, float]:
    """Take the median seconds of each cell and phase.

    Args:
        samples: Clean samples of the training protocol.

    Returns:
        Medians of each phase that was timed alone.
    """
    values: dict[Key, list[float]] = {}
    for sample in samples:
        if sample.phase != "step":
            values.setdefault((sample.cell, sample.phase), []).append(sample.seconds)
    return {key: float(np.median(found)) for key, found in values.items()}


def _grids(samples: Sequence[Sample]) -> dict[str, Times]:
    """Lay out each cell's seconds as passes × steps, NaN where there is none."""
    passes = 1 + max((s.replicate for s in samples), default=-1)
    steps = 1 + max((s.round for s in samples), default=-1)
    grids: dict[str, Times] = {}
    for sample in samples:
        grid = grids.setdefault(sample.cell, np.full((passes, steps), math.nan))
        grid[sample.replicate, sample.round] = sample.seconds
    return grids
