"""A re-run's samples as the engine saw them, at any length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gradbench.statistics.intervals import Interval, Times, ratio_interval, slow_rounds

if TYPE_CHECKING:
    import pandas as pd

CONTROL = "bandwidth"


@dataclass(frozen=True)
class Rerun:
    """The update samples of one re-run.

    Args:
        baseline: Cell that speedups refer to.
        times: Seconds per call by cell, replicates × rounds; NaN where there is no sample.
        switched: Whether the process was switched out, same keys and shapes.
        busy: Whether the machine was busy.
    """

    baseline: str
    times: dict[str, Times]
    switched: dict[str, NDArray[np.bool_]]
    busy: bool = False

    @property
    def replicates(self) -> int:
        """Number of replicates."""
        return int(self.times[self.baseline].shape[0])

    @property
    def cells(self) -> list[str]:
        """Cells with a speedup to be known, the twin among them."""
        return [cell for cell in self.times if cell not in (self.baseline, CONTROL)]

    def first(self, replicates: int) -> Rerun:
        """Return what had been sampled after so many replicates."""
        return Rerun(
            self.baseline,
            {cell: times[:replicates] for cell, times in self.times.items()},
            {cell: switched[:replicates] for cell, switched in self.switched.items()},
            self.busy,
        )

    def kept(self) -> dict[str, Times]:
        """Leave out disturbed samples as :func:`gradbench.statistics.estimates.estimate` does.

        Returns:
            Seconds by cell, NaN where a sample does not count; all, where few were clean.
        """
        slow = slow_rounds(self.times[CONTROL])
        there = {cell: np.isfinite(times) for cell, times in self.times.items()}
        bad = {cell: (self.switched[cell] | slow) & there[cell] for cell in self.times}
        marked = {cell: int(b.sum()) for cell, b in bad.items()}
        taken = {cell: int(t.sum()) for cell, t in there.items()}
        spoilt = any(0 < taken[cell] == marked[cell] for cell in taken)
        if spoilt or 2 * sum(marked.values()) > sum(taken.values()):
            return self.times
        return {c: np.where(bad[c], np.nan, times) for c, times in self.times.items()}

    def intervals(self) -> dict[str, Interval]:
        """Estimate every cell's speedup as gradbench states it.

        Returns:
            Intervals by cell, of those that have one.
        """
        kept = self.kept()
        base = kept[self.baseline]
        found = {cell: ratio_interval(base, kept[cell], busy=self.busy) for cell in self.cells}
        return {cell: interval for cell, interval in found.items() if interval is not None}

    def stopped(self, precision: float, least: int) -> Rerun:
        """Return what the engine would have sampled before every speedup was precise enough.

        On a busy machine it does not stop early.

        Args:
            precision: Relative half-width that is enough.
            least: Replicates taken whatever the precision.

        Returns:
            The replicates until then; all of them where it never was.
        """
        for replicates in range(self.replicates if self.busy else least, self.replicates):
            shorter = self.first(replicates)
            known = shorter.intervals()
            if len(known) == len(self.cells) and all(
                interval.half_width <= precision for interval in known.values()
            ):
                return shorter
        return self


def reruns_of(samples: pd.DataFrame, baseline: str) -> Iterator[tuple[int, int, Rerun]]:
    """Lay out stored samples as re-runs.

    Args:
        samples: Rows of ``calibration_samples``.
        baseline: Cell that speedups refer to.

    Yields:
        Busy processes, number of the re-run, the re-run.
    """
    for (hogs, rerun), rows in samples.groupby(["hogs", "rerun"], sort=True):
        shape = (rows["replicate"].max() + 1, rows["round"].max() + 1)
        times, switched = {}, {}
        for cell, mine in rows.groupby("cell", sort=True):
            place = (mine["replicate"].to_numpy(), mine["round"].to_numpy())
            seconds = np.full(shape, np.nan)
            seconds[place] = mine["seconds"]
            flags = np.zeros(shape, dtype=bool)
            flags[place] = mine["switched"]
            times[str(cell)], switched[str(cell)] = seconds, flags
        # By what the engine saw, not by what was beside it: that is what it goes by.
        busy = "contention" in rows and isinstance(rows["contention"].iloc[0], str)
        yield int(str(hogs)), int(str(rerun)), Rerun(baseline, times, switched, busy)
