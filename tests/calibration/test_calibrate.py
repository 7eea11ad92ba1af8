"""What re-runs of a calibration hand on."""

from collections import Counter
from pathlib import Path

import pytest

from gradbench.calibration.block import plan_calibration
from gradbench.calibration.calibrate import Calibration
from gradbench.calibration.tasks import RerunTask
from gradbench.request.task import Finished, Task
from gradbench.results.store import Store
from gradbench.sweep.worker import Workers


def test_what_a_re_run_has_learnt_the_next_ones_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside a busy process an examination takes half a minute."""
    known: list[list[str]] = []

    def run(self: Workers, task: Task, progress: object) -> Finished:
        if isinstance(task, RerunTask):
            known.append(sorted(task.learnt))
        return Finished(Counter(), learnt={f"of {len(known)}": {"reason": None}})

    monkeypatch.setattr(Workers, "run", run)
    calibrated = plan_calibration([], 1.0, "r")
    store = Store(tmp_path / "results" / "r")
    Calibration(calibrated, store, 2, [0], lambda line: None).measure()
    assert len(known) == 2
    assert set(known[0]) < set(known[1])
