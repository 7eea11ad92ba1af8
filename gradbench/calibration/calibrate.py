"""Measuring one block again and again, quiet and beside busy processes, and judging it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pandas as pd

from gradbench.calibration.block import Calibrated
from gradbench.calibration.hogs import busy
from gradbench.calibration.table import calibration_rows
from gradbench.calibration.tasks import PlantedWorkTask, RerunTask
from gradbench.errors import BadRequest
from gradbench.request.block import file_name
from gradbench.request.task import Finished, Task
from gradbench.results.load import load
from gradbench.results.schema import CALIBRATION, CALIBRATION_SAMPLE, PLANTED_WORK
from gradbench.results.store import Store
from gradbench.sweep.worker import Workers

Say = Callable[[str], None]
_PLANTED_WORK_S = 4.0


@dataclass
class Calibration:
    """Re-runs of one block, under each load.

    Args:
        calibrated: What is measured.
        store: Where it goes; re-runs that are there are kept.
        runs: Re-runs under each load.
        loads: Numbers of busy processes.
        say: Told a line of progress.
    """

    calibrated: Calibrated
    store: Store
    runs: int
    loads: Sequence[int]
    say: Say
    _workers: Workers = field(default_factory=lambda: Workers("spawn"))
    _learnt: dict[str, dict[str, Any]] = field(default_factory=dict)

    def measure(self) -> None:
        """Do the re-runs that are missing, all loads by turns, so that drift favours none.

        Raises:
            BadRequest: The block cannot be measured.
            KeyboardInterrupt: What was finished is stored.
        """
        block = self.calibrated.block
        seconds = float(self.calibrated.settings["budget_s"])
        if not self.store.path(PLANTED_WORK, self._name()).is_file():
            self.say("measuring the planted work by itself")
            length = min(_PLANTED_WORK_S, seconds)
            self._do(PlantedWorkTask(block, self.store, self._name(), length))
        total, done, start, fresh = self.runs * len(self.loads), 0, time.monotonic(), 0
        for rerun in range(self.runs):
            for hogs in self.loads:
                name = self._name(hogs, rerun)
                label = f"{_load(hogs)} · re-run {rerun + 1}"
                done += 1
                if self.store.path(CALIBRATION_SAMPLE, name).is_file():
                    self.say(f"[{done}/{total}] {label}: kept")
                    continue
                again = self.calibrated.again(rerun)
                with busy(hogs):
                    begun = time.monotonic()
                    task = RerunTask(again, self.store, name, hogs, rerun, self._learnt)
                    finished = self._do(task)
                    self._learnt |= finished.learnt
                fresh += 1
                left = (time.monotonic() - start) / fresh * (total - done)
                tail = f"; {timedelta(seconds=round(left))} left" if total > done else ""
                busy_note = f"; busy: {finished.contention}" if finished.contention else ""
                self.say(
                    f"[{done}/{total}] {label}: {time.monotonic() - begun:.1f} s{busy_note}{tail}"
                )

    def judge(self) -> pd.DataFrame:
        """Judge the intervals of what is stored, and store the figures.

        Returns:
            Rows of ``calibrations``; none before any load has two re-runs.
        """
        folder = self.store.folder
        samples = self._stored(CALIBRATION_SAMPLE)
        counts = samples.groupby("hogs")["rerun"].nunique()
        samples = samples[samples["hogs"].isin(counts[counts >= 2].index)]
        if samples.empty:
            return load(folder, CALIBRATION).iloc[:0] if folder.exists() else pd.DataFrame()
        rows = calibration_rows(self.calibrated, samples, self._stored(PLANTED_WORK))
        return load(self.store.write(CALIBRATION, self._name(), rows), CALIBRATION)

    def _stored(self, table: str) -> pd.DataFrame:
        """Load this calibration's own files of a table."""
        names = {
            PLANTED_WORK: [self._name()],
            CALIBRATION_SAMPLE: [self._name(h, r) for h in self.loads for r in range(self.runs)],
        }
        paths = [self.store.path(table, name) for name in names[table]]
        frames = [load(path, table) for path in paths if path.is_file()]
        return (
            pd.concat(frames, ignore_index=True)
            if frames
            else pd.DataFrame(columns=["hogs", "rerun", "strategy", "difference"])
        )

    def _do(self, task: Task) -> Finished:
        finished = self._workers.run(task, lambda *_: None)
        if finished.statuses["failed"] and finished.reasons:
            raise BadRequest(f"the block cannot be measured: {'; '.join(finished.reasons)}")
        return finished

    def _name(self, hogs: int | None = None, rerun: int | None = None) -> str:
        """Name a file; the digest tells blocks apart, the number loads and re-runs."""
        block = self.calibrated.block
        parts = (block.host, block.device, block.model, block.rule, block.dtype)
        name = file_name(parts, [block.name, self.calibrated.precision])
        return name if hogs is None else f"{name}-hogs{hogs}-{rerun:03d}"


def _load(hogs: int) -> str:
    return "quiet" if hogs == 0 else f"{hogs} busy"
