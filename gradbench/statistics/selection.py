"""Which samples count: those in which nothing but the calls took part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradbench.statistics.intervals import Times, slow_rounds
from gradbench.statistics.processors import by_processor, numbered
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

EXCHANGE_LIMIT = 1.4
"""The exchange control takes so many times as long where the processors lie apart: it took twice as
long there, and in one place varied by a tenth."""

_ENOUGH_ROUNDS = 30
"""Rounds of the same cells that are held against one another alone."""

HOST_BOUND = 0.5
"""A GPU's control whose calls return no sooner than this share of its time waits for the host."""


def lies_apart(exchange_s: float, least_s: float) -> bool:
    """Say whether processors lay apart, by the exchange control.

    Args:
        exchange_s: Its time, in seconds.
        least_s: Its time on the same machine where they lie together.
    """
    return exchange_s > EXCHANGE_LIMIT * least_s


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
        slow: Rounds that are left out because the bandwidth control was slow in them, or the
            processors had moved.
        slow_share: Share of rounds in which the bandwidth control was slow.
        moved_share: Share of rounds in which the processors lay otherwise than in most.
        switched_share: Share of updates in which a thread of the process waited.
        contended: Fewer than half of the updates were clean.
    """

    kept: dict[Key, Times]
    scarce: frozenset[str]
    slow: Flags
    slow_share: float
    moved_share: float
    switched_share: float
    contended: bool


def select(
    grids: Mapping[Key, Grid],
    *,
    baseline: str,
    control: str,
    waits_for_host: bool = False,
    processors: Sequence[int | None] = (),
) -> Selection:
    """Choose the samples that count.

    A sample is disturbed if a thread of the process waited in it, if the processors lay otherwise
    in its round than in most, as the exchange control tells, or if the bandwidth control of the
    round was slow, as long as that of most rounds was not. Disturbed samples are left out. Of
    samples as long as ``LONG_S`` all count where fewer than half are clean: there, what disturbs
    is in each of them.

    Args:
        grids: The samples by cell and phase, all of one shape.
        baseline: Its samples say whether they are long.
        control: The bandwidth control.
        waits_for_host: The control says nothing of memory.
        processors: On which each replicate began; unknown if empty.

    Returns:
        What counts.
    """
    shape = next(iter(grids.values())).seconds.shape if grids else (0, 0)
    controlled = grids.get((control, "update"))
    slow, slow_share = np.zeros(shape, dtype=bool), 0.0
    moved, moved_share = np.zeros(shape, dtype=bool), 0.0
    exchanged = grids.get((EXCHANGE, "update"))
    if exchanged is not None:  # one that waited says nothing of caches
        moved, moved_share = _moved(np.where(exchanged.switched, np.nan, exchanged.seconds))
    if controlled is not None and not waits_for_host:
        # Apart, processors have more of the memory's bandwidth: that is no measure of the others.
        known = np.where(moved, np.nan, controlled.seconds)
        slow, slow_share = _slow(known, grids, processors)
    slow = slow | moved
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
        moved_share,
        float(np.concatenate(waited).mean()) if sum(taken.values()) else 0.0,
        contended,
    )


def _moved(exchange: Times) -> tuple[NDArray[np.bool_], float]:
    """Find the rounds in which the processors lay otherwise than in most, and their share.

    A virtual machine's two lie together or apart, for seconds or minutes. Neither is a disturbance,
    but they are two machines: where threads hand data over, updates take longer apart, and where
    memory decides, together. Where the control varies by so much anyway, it tells nothing; where
    fewer than two replicates would be left, there would be no interval, and none is left out.
    """
    known = exchange[np.isfinite(exchange)]
    if known.size == 0:
        return np.zeros(exchange.shape, dtype=bool), 0.0
    usual = float(np.quantile(known, 0.5, method="lower"))  # of a round, not between two places
    moved = (exchange > EXCHANGE_LIMIT * usual) | (exchange < usual / EXCHANGE_LIMIT)
    share = float(moved.sum() / known.size)
    left = int((np.isfinite(exchange) & ~moved).any(axis=1).sum())
    return (moved if share <= 0.5 and left >= 2 else np.zeros_like(moved)), share


def _slow(
    control: Times, grids: Mapping[Key, Grid], processors: Sequence[int | None]
) -> tuple[Flags, float]:
    """Find the rounds to leave out because memory was slow, and the share in which it was.

    A control that caches hold is as fast as its processor, so that it is held against rounds on the
    same one: memory was not slow where the other processor is faster. What it finds in the caches
    depends on who else is in its rounds: where there are enough to tell, only those with the same
    cells count. Where it was slow in most rounds, none is left out.
    """
    slow = np.zeros(control.shape, dtype=bool)
    began = numbered(processors, len(control))
    taking = np.stack([np.isfinite(grid.seconds).any(axis=1) for grid in grids.values()], axis=1)
    for here in by_processor(np.ones(len(control), dtype=bool), began):
        slow[here] = slow_rounds(control[here])
        for cells in np.unique(taking[here], axis=0):
            alike = here & (taking == cells).all(axis=1)
            if np.isfinite(control[alike]).sum() >= _ENOUGH_ROUNDS:
                slow[alike] = slow_rounds(control[alike])
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
