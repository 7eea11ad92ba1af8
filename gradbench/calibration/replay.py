"""A re-run's samples as the engine saw them, at any length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gradbench.statistics.effects import PROCESS
from gradbench.statistics.estimates import COMPUTE, estimate_grids
from gradbench.statistics.intervals import Interval, Times
from gradbench.statistics.selection import EXCHANGE, Grid, Key

if TYPE_CHECKING:
    import pandas as pd

CONTROL = "bandwidth"
_CONTROLS = (CONTROL, COMPUTE, EXCHANGE)


@dataclass(frozen=True)
class Rerun:
    """The update samples of one re-run.

    Args:
        baseline: Cell that speedups refer to.
        times: Seconds per call by cell, replicates × rounds; NaN where there is no sample.
        switched: Whether the process was switched out, same keys and shapes.
        busy: Whether the machine was busy.
        sample_s: Median duration of a sample by cell, in seconds.
        processors: On which each replicate began; None or no more where it is unknown.
    """

    baseline: str
    times: dict[str, Times]
    switched: dict[str, NDArray[np.bool_]]
    busy: bool = False
    sample_s: dict[str, float] = field(default_factory=dict)
    processors: tuple[int | None, ...] = ()

    @property
    def replicates(self) -> int:
        """Number of replicates."""
        return int(self.times[self.baseline].shape[0])

    @property
    def cells(self) -> list[str]:
        """Cells with a speedup to be known, the twin among them."""
        return [cell for cell in self.times if cell not in (self.baseline, *_CONTROLS)]

    @property
    def grids(self) -> dict[Key, Grid]:
        """The samples as estimates take them."""
        return {
            (cell, "update"): Grid(times, self.switched[cell], self.sample_s.get(cell, 0.0))
            for cell, times in self.times.items()
        }

    def first(self, replicates: int) -> Rerun:
        """Return what had been sampled after so many replicates."""
        return Rerun(
            self.baseline,
            {cell: times[:replicates] for cell, times in self.times.items()},
            {cell: switched[:replicates] for cell, switched in self.switched.items()},
            self.busy,
            self.sample_s,
            self.processors[:replicates],
        )

    def intervals(self, process: float = PROCESS) -> dict[str, Interval]:
        """Estimate every cell's speedup as gradbench states it.

        Args:
            process: Standard deviation of a ratio from process to process.

        Returns:
            Intervals by cell, of those that have one.
        """
        found = estimate_grids(
            self.grids,
            baseline=self.baseline,
            twin="twin",
            control=CONTROL,
            busy=self.busy,
            process=process,
            processors=self.processors,
        )
        return {cell: found.speedups[cell] for cell in self.cells if cell in found.speedups}

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
            known = shorter.intervals(process=0.0)
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
        times, switched, sample_s = {}, {}, {}
        for cell, mine in rows.groupby("cell", sort=True):
            place = (mine["replicate"].to_numpy(), mine["round"].to_numpy())
            seconds = np.full(shape, np.nan)
            seconds[place] = mine["seconds"]
            flags = np.zeros(shape, dtype=bool)
            flags[place] = mine["switched"]
            times[str(cell)], switched[str(cell)] = seconds, flags
            sample_s[str(cell)] = float((mine["seconds"] * mine["calls"]).median())
        # By what the engine saw, not by what was beside it: that is what it goes by.
        busy = "contention" in rows and isinstance(rows["contention"].iloc[0], str)
        began = _processors(rows, shape[0])
        yield (
            int(str(hogs)),
            int(str(rerun)),
            Rerun(baseline, times, switched, busy, sample_s, began),
        )


def _processors(rows: pd.DataFrame, replicates: int) -> tuple[int | None, ...]:
    """Find on which processor each replicate began; nothing in files that do not say."""
    if "processor" not in rows:
        return ()
    known = rows.dropna(subset=["processor"]).drop_duplicates("replicate")
    found = dict(zip(known["replicate"], known["processor"].astype(int), strict=True))
    return tuple(found.get(replicate) for replicate in range(replicates))
