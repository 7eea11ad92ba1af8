"""From samples to figures: what the isolated samples of a block say."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gradbench.statistics.effects import PROCESS, Effects, effects
from gradbench.statistics.intervals import Interval, Times, noise_floor
from gradbench.statistics.sample import Sample
from gradbench.statistics.selection import (
    EXCHANGE,
    Grid,
    Key,
    Selection,
    control_waits_for_host,
    grids_of,
    select,
)
from gradbench.statistics.verdicts import verdict

COMPUTE = "compute"
"""The compute control, timed beside the cells as the bandwidth control is."""

_FEWEST = 2
"""Replicates without which there is no interval."""

CERTAINTY = 0.999
"""Confidence at which a cell is certainly slower. A block asks that of every cell after every
replicate, a hundred times, and a cell that is left alone keeps what it looked slow by. With 0.99,
of 72 intervals of identical code beside two busy processes (``mlp_wide``, ``sgd``) 5 were left
alone, and 3 of those left out 1; of the 67 others 3 did."""


@dataclass(frozen=True)
class Estimates:
    """What the isolated samples of a block say.

    Args:
        times: Interval of the seconds per call, by cell and phase.
        speedups: Interval of the baseline's update time over the cell's, by cell.
        noise_floor: Largest departure from 1 that the twin's interval admits.
        fastest: The fastest of the ranked cells; None where nothing is known of any.
        over_fastest: Interval of the cell's update time over that of the fastest, by cell.
        selection: Which samples count.
        updates: The cells' updates, and what rounds share, taken apart.
        disturbed: Number of disturbed update samples, by cell.
        disturbed_samples: For each sample in order, whether it is disturbed.
        host_s: Median seconds until the calls had returned, by cell and phase.
        device_s: Median seconds between events, by cell and phase; empty on CPU.
    """

    times: dict[Key, Interval]
    speedups: dict[str, Interval]
    noise_floor: float | None
    fastest: str | None
    over_fastest: dict[str, Interval]
    selection: Selection
    updates: Effects
    disturbed: dict[str, int] = field(default_factory=dict)
    disturbed_samples: list[bool] = field(default_factory=list)
    host_s: dict[Key, float] = field(default_factory=dict)
    device_s: dict[Key, float] = field(default_factory=dict)

    @property
    def contended(self) -> bool:
        """Whether fewer than half of the update samples were clean."""
        return self.selection.contended

    def converged(self, cell: str, precision: float) -> bool:
        """Say whether a cell's speedup is known to a precision."""
        interval = self.speedups.get(cell)
        return interval is not None and interval.half_width <= precision

    def certainly_slower(self, margin: float) -> set[str]:
        """Name the cells that are slower than the fastest by more than a margin.

        Args:
            margin: Relative.

        Returns:
            Those whose interval of ``CERTAINTY`` lies beyond it.
        """
        if self.fastest is None:
            return set()
        known = {
            cell: self.updates.ratio(cell, self.fastest, CERTAINTY) for cell in self.over_fastest
        }
        return {
            cell
            for cell, interval in known.items()
            if interval is not None and verdict(interval, margin=margin, noise=0.0) == "slower"
        }


def estimate(
    samples: Sequence[Sample],
    *,
    baseline: str,
    twin: str,
    control: str,
    ranked: Collection[str] = (),
    busy: bool = False,
) -> Estimates:
    """Turn a block's isolated samples into figures.

    Args:
        samples: Samples of the isolated protocol.
        baseline: Cell that speedups refer to.
        twin: The baseline's second appearance.
        control: The bandwidth control.
        ranked: Cells of which one is the fastest.
        busy: The machine was busy meanwhile: intervals allow for replicates that correlate.

    Returns:
        The figures.
    """
    waits = control_waits_for_host([s for s in samples if s.cell == control])
    began = {s.replicate: s.processor for s in samples}
    found = estimate_grids(
        grids_of(samples),
        baseline=baseline,
        twin=twin,
        control=control,
        ranked=ranked,
        busy=busy,
        waits_for_host=waits,
        processors=_in_order(began),
    )
    slow = found.selection.slow
    disturbed = [s.switched or bool(slow[s.replicate, s.round]) for s in samples]
    counts = {s.cell: 0 for s in samples if s.phase == "update"}
    for sample, bad in zip(samples, disturbed, strict=True):
        if sample.phase == "update":
            counts[sample.cell] += bad
    every = [s for s in samples if math.isfinite(_kept(found.selection, s))]
    return replace(
        found,
        disturbed=counts,
        disturbed_samples=disturbed,
        host_s=_medians(every, "host_s"),
        device_s=_medians(every, "device_s"),
    )


def estimate_grids(
    grids: Mapping[Key, Grid],
    *,
    baseline: str,
    twin: str,
    control: str,
    ranked: Collection[str] = (),
    busy: bool = False,
    waits_for_host: bool = False,
    process: float = PROCESS,
    processors: Sequence[int | None] = (),
) -> Estimates:
    """Turn a block's samples into figures, laid out as replicates × rounds.

    Of a cell with too few clean samples there is a guess, without an interval.

    Args:
        grids: Samples by cell and phase, all of one shape.
        baseline: Cell that speedups refer to.
        twin: The baseline's second appearance.
        control: The bandwidth control.
        ranked: Cells of which one is the fastest.
        busy: The machine was busy meanwhile: intervals allow for replicates that correlate.
        waits_for_host: The control says nothing of memory.
        process: Standard deviation of a ratio from process to process; 0 where it is asked what
            more samples would tell.
        processors: On which each replicate began; unknown if empty.

    Returns:
        The figures, without what single samples say.
    """
    selection = select(
        grids,
        baseline=baseline,
        control=control,
        waits_for_host=waits_for_host,
        processors=processors,
    )
    kept = {
        key: np.where(np.isfinite(times).any(), times, grids[key].seconds)
        for key, times in selection.kept.items()
    }
    updates = {cell: times for (cell, phase), times in kept.items() if phase == "update"}
    zeros = {cell: times for (cell, phase), times in kept.items() if phase == "zero"}
    alone = {cell: updates.pop(cell) for cell in (control, COMPUTE, EXCHANGE) if cell in updates}
    how: dict[str, Any] = {"busy": busy, "process": process, "processors": processors}
    taken_apart = effects(updates, **how, alike=(baseline, twin))
    # A cell that was left alone before the processors moved is known from there.
    before = _undisturbed(grids, updates) if selection.moved_share > 0 else {}
    left = {cell: _replicates(selection.kept[cell, "update"]) for cell in before}
    early = {c for c, times in before.items() if left[c] < _FEWEST <= _replicates(times)}
    known_before = effects(before, **how, alike=(baseline, twin)) if early else taken_apart

    def of(cell: str) -> Effects:
        return known_before if cell in early else taken_apart

    def known(interval: Interval | None, *cells: str) -> Interval | None:
        if interval is None or not selection.scarce.difference(early).intersection(cells):
            return interval
        return Interval(interval.estimate, 0.0, math.inf, interval.replicates)

    times: dict[Key, Interval | None] = {
        (cell, "update"): known(of(cell).time(cell), cell) for cell in updates
    }
    cleared = effects(zeros, **how)
    times |= {(cell, "zero"): cleared.time(cell) for cell in zeros}
    times |= {
        (cell, "update"): effects({cell: seconds}, busy=busy, processors=processors).time(cell)
        for cell, seconds in alone.items()
    }
    speedups = {
        cell: known(of(cell).ratio(baseline, cell), baseline, cell)
        for cell in updates
        if cell != baseline
    }
    there = {cell: ratio for cell, ratio in speedups.items() if ratio is not None}
    if baseline in updates:
        there[baseline] = Interval(1.0, 1.0, 1.0)
    # What was left alone was slower than the fastest of its own rounds, and is none here.
    rateable = [cell for cell in ranked if cell in there and cell not in early]
    rated = {cell: there[cell].estimate for cell in rateable if there[cell].low > 0}
    fastest = max(rated, key=lambda cell: rated[cell], default=None)
    over = {
        cell: known(of(cell).ratio(cell, fastest), cell, fastest)
        for cell in updates
        if fastest is not None and cell != fastest
    }
    over_fastest = {cell: ratio for cell, ratio in over.items() if ratio is not None}
    if fastest is not None:
        over_fastest[fastest] = Interval(1.0, 1.0, 1.0)
    return Estimates(
        times={key: interval for key, interval in times.items() if interval is not None},
        speedups=there,
        noise_floor=noise_floor(there.get(twin)),
        fastest=fastest,
        over_fastest=over_fastest,
        selection=selection,
        updates=taken_apart,
    )


def _in_order(began: Mapping[int, int | None]) -> list[int | None]:
    """List on which processor each replicate began, from the first one on."""
    every = range(min(began, default=0), max(began, default=-1) + 1)
    return [began.get(replicate) for replicate in every]


def _undisturbed(grids: Mapping[Key, Grid], cells: Collection[str]) -> dict[str, Times]:
    """Take the updates of cells in which no thread waited, wherever the processors lay."""
    taken = {cell: grids[cell, "update"] for cell in cells}
    return {c: np.where(grid.switched, np.nan, grid.seconds) for c, grid in taken.items()}


def _replicates(times: Times) -> int:
    """Count the replicates that have a sample."""
    return int(np.isfinite(times).any(axis=1).sum())


def _kept(selection: Selection, sample: Sample) -> float:
    times = selection.kept[sample.cell, sample.phase]
    return float(times[sample.replicate, sample.round])


def _medians(samples: Sequence[Sample], figure: str) -> dict[Key, float]:
    """Take the median of a figure for each cell and phase that has it."""
    values: dict[Key, list[float]] = {}
    for sample in samples:
        value = getattr(sample, figure)
        if value is not None:
            values.setdefault((sample.cell, sample.phase), []).append(value)
    return {key: float(np.median(found)) for key, found in values.items()}
