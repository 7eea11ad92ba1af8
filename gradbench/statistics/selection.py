"""Which samples count: those in which nothing but the calls took part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradbench.statistics.intervals import CONTROL_LIMIT, Times, slow_rounds
from gradbench.statistics.sample import Phase, Sample

Key = tuple[str, Phase]
Flags = NDArray[np.bool_]

FEWEST_CLEAN = 6
"""Clean samples from which on a cell that was mostly disturbed has an interval."""

LONG_S = 0.010
"""A sample as long as that shares the processors of a busy machine as every other one does; a
shorter one is either whole, or lasts a scheduler's slice and says nothing of its call."""

EXCHANGE = "exchange"
"""The exchange control, timed beside the cells as the bandwidth control is."""

EXCHANGE_LIMIT = 1.5
"""A round whose exchange control takes this many times its best found the processors apart: beside
one another, it varies by a tenth; moved apart, it took two and a half times as long."""

_ENOUGH_ROUNDS = 30
"""Rounds of the same cells that are held against one another alone."""

HOST_BOUND = 0.5
"""A GPU's control whose calls return no sooner than this share of its time waits for the host."""


@dataclass(frozen=True)
class Grid:
    """The samples of one cell and phase, replicates × rounds.

    Args:
        seconds: Per call; NaN where there is no sample.
        switched: Whether a thread of the process waited in it.
        sample_s: Median duration of a sample, in seconds.
    """

    seconds: Times
    switched: Flags
    sample_s: float = 0.0


@dataclass(frozen=True)
class Selection:
    """What counts.

    Args:
        kept: Seconds by cell and phase, replicates × rounds; NaN where a sample does not count.
        scarce: Cells of which too few updates were clean for an interval.
        slow: Rounds that are left out because the bandwidth control, or the exchange control, was
            slow in them.
        slow_share: Share of rounds in which the bandwidth control was.
        apart_share: Share of rounds in which the exchange control was.
        switched_share: Share of updates in which a thread of the process waited.
        contended: Fewer than half of the updates were clean.
    """

    kept: dict[Key, Times]
    scarce: frozenset[str]
    slow: Flags
    slow_share: float
    apart_share: float
    switched_share: float
    contended: bool


def select(
    grids: Mapping[Key, Grid], *, baseline: str, control: str, waits_for_host: bool = False
) -> Selection:
    """Choose the samples that count.

    A sample is disturbed if a thread of the process waited in it, or if the bandwidth control or
    the exchange control of its round was slow, as long as that of most rounds was not. Disturbed
    samples are left out. Of
    samples as long as ``LONG_S`` all count where fewer than half are clean: there, what disturbs
    is in each of them.

    Args:
        grids: The samples by cell and phase, all of one shape.
        baseline: Its samples say whether they are long.
        control: The bandwidth control.
        waits_for_host: The control says nothing of memory.

    Returns:
        What counts.
    """
    shape = next(iter(grids.values())).seconds.shape if grids else (0, 0)
    controlled = grids.get((control, "update"))
    slow, slow_share = np.zeros(shape, dtype=bool), 0.0
    if controlled is not None and not waits_for_host:
        slow, slow_share = _slow(controlled.seconds, grids, CONTROL_LIMIT)
    exchanged, apart_share = grids.get((EXCHANGE, "update")), 0.0
    if exchanged is not None:  # one that waited says nothing of caches
        seconds = np.where(exchanged.switched, np.nan, exchanged.seconds)
        apart, apart_share = _slow(seconds, grids, EXCHANGE_LIMIT)
        slow = slow | apart
    bad = {key: grid.switched | slow for key, grid in grids.items()}
    there = {key: np.isfinite(grid.seconds) for key, grid in grids.items()}
    taken = {cell: int(mask.sum()) for (cell, phase), mask in there.items() if phase == "update"}
    clean = {cell: int((there[cell, "update"] & ~bad[cell, "update"]).sum()) for cell in taken}
    contended = 2 * sum(clean.values()) < sum(taken.values())
    spoilt = any(number > 0 == clean[cell] for cell, number in taken.items())
    based = grids.get((baseline, "update"))
    if (contended or spoilt) and (based is None or based.sample_s >= LONG_S):
        bad = {key: np.zeros(shape, dtype=bool) for key in grids}
        clean = taken
    waited = [grid.switched[there[key]] for key, grid in grids.items() if key[1] == "update"]
    return Selection(
        {key: np.where(bad[key], np.nan, grid.seconds) for key, grid in grids.items()},
        frozenset(c for c, n in clean.items() if n < FEWEST_CLEAN and 2 * n < taken[c]),
        slow,
        slow_share,
        apart_share,
        float(np.concatenate(waited).mean()) if sum(taken.values()) else 0.0,
        contended,
    )


def _slow(
    control: Times, grids: Mapping[Key, Grid], limit: float
) -> tuple[NDArray[np.bool_], float]:
    """Find the rounds to leave out because a control was slow, and the share in which it was.

    What the control finds in the caches depends on who else is in its rounds, so that it is held
    against those with the same cells, where there are enough to tell. Where it was slow in most
    rounds, none is left out.
    """
    slow = slow_rounds(control, limit)
    taking = np.stack([np.isfinite(grid.seconds).any(axis=1) for grid in grids.values()], axis=1)
    for cells in np.unique(taking, axis=0):
        alike = (taking == cells).all(axis=1)
        if np.isfinite(control[alike]).sum() >= _ENOUGH_ROUNDS:
            slow[alike] = slow_rounds(control[alike], limit)
    share = float(slow.sum() / max(np.isfinite(control).sum(), 1))
    return (slow if share <= 0.5 else np.zeros_like(slow)), share


def grids_of(samples: Sequence[Sample]) -> dict[Key, Grid]:
    """Lay out samples as replicates × rounds.

    Args:
        samples: Of the isolated protocol; of one replicate, whatever its number, or of all.

    Returns:
        A grid for each cell and phase, all of one shape, in the order of their names.
    """
    keys = sorted({(s.cell, s.phase) for s in samples})
    first = min((s.replicate for s in samples), default=0)
    replicates = max((s.replicate for s in samples), default=-1) + 1 - first
    shape = (replicates, max((s.round for s in samples), default=-1) + 1)
    by_key: dict[Key, list[Sample]] = {key: [] for key in keys}
    for sample in samples:
        if sample.seconds > 0:  # of a clock that was set back: no time at all
            by_key[sample.cell, sample.phase].append(sample)
    return {key: _grid(found, shape, first) for key, found in by_key.items()}


def stacked(replicates: Sequence[Mapping[Key, Grid]]) -> dict[Key, Grid]:
    """Put the grids of single replicates on top of one another.

    Args:
        replicates: Grids of one replicate each, in their order; a cell may be missing in some.

    Returns:
        A grid for each cell and phase that any has.
    """
    rounds = max((g.seconds.shape[1] for grids in replicates for g in grids.values()), default=0)
    shape = (len(replicates), rounds)
    found: dict[Key, Grid] = {}
    for key in sorted({key for grids in replicates for key in grids}):
        seconds, switched = np.full(shape, np.nan), np.zeros(shape, dtype=bool)
        for place, grids in enumerate(replicates):
            if key in grids:
                taken = grids[key].seconds.shape[1]
                seconds[place, :taken] = grids[key].seconds[0]
                switched[place, :taken] = grids[key].switched[0]
        durations = [grids[key].sample_s for grids in replicates if key in grids]
        found[key] = Grid(seconds, switched, float(np.median(durations)))
    return found


def control_waits_for_host(control: Sequence[Sample]) -> bool:
    """Say whether a GPU's control took as long as launching it, and so says nothing of memory.

    Args:
        control: Its samples.

    Returns:
        Whether it did; not on a CPU.
    """
    launched = [s for s in control if s.device_s is not None]
    shares = [s.host_s / s.seconds for s in launched if s.seconds > 0]
    return bool(shares) and float(np.median(shares)) > HOST_BOUND


def _grid(samples: Sequence[Sample], shape: tuple[int, int], first: int) -> Grid:
    seconds, switched = np.full(shape, np.nan), np.zeros(shape, dtype=bool)
    place = [s.replicate - first for s in samples], [s.round for s in samples]
    seconds[place] = [s.seconds for s in samples]
    switched[place] = [s.switched for s in samples]
    durations = [s.seconds * s.calls for s in samples]
    return Grid(seconds, switched, float(np.median(durations)) if durations else 0.0)
