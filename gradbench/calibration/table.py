"""From stored samples to the rows of ``calibrations``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gradbench.calibration.block import IDENTICAL, Calibrated
from gradbench.calibration.judgement import figures
from gradbench.calibration.replay import Rerun, reruns_of
from gradbench.request.block import Cell
from gradbench.results.store import now
from gradbench.statistics.intervals import FEWEST_RANKED
from gradbench.version import __version__

if TYPE_CHECKING:
    import pandas as pd

ESTIMATOR = "cells and rounds taken apart"
INTERVAL = "variances moderated over cells, and what processes differ by; busy: their correlation"
"""What ``gradbench.statistics.effects`` does, in words."""


def calibration_rows(
    calibrated: Calibrated, samples: pd.DataFrame, planted: pd.DataFrame
) -> list[dict[str, Any]]:
    """Judge the intervals of each load, as the engine would have stopped.

    Args:
        calibrated: What was measured.
        samples: Rows of ``calibration_samples``.
        planted: Rows of ``planted_work``.

    Returns:
        Rows of ``calibrations``, one for each load.
    """
    block, settings = calibrated.block, calibrated.settings
    sizes = {
        cell_of(calibrated, strategy): float(difference)
        for strategy, difference in zip(planted["strategy"], planted["difference"], strict=True)
    }
    by_load: dict[int, list[Rerun]] = {}
    for hogs, _, rerun in reruns_of(samples, block.cells[0].name):
        by_load.setdefault(hogs, []).append(rerun)
    known: dict[Any, Any] = planted.iloc[0].to_dict() if len(planted) else {}
    shared = {
        "run": block.run,
        "host": block.host,
        "device": block.device,
        "device_name": known.get("device_name"),
        "model": block.model,
        "rule": block.rule,
        "dtype": block.dtype,
        "threads": block.threads,
        "seconds": float(settings["budget_s"]),
        "torch_version": known.get("torch_version"),
        "gradbench_version": __version__,
        "recorded_at": now(),
    }
    identical = ["twin", *(cell_of(calibrated, name) for name in IDENTICAL)]
    least = max(int(settings["min_replicates"]), FEWEST_RANKED)
    rows = []
    for hogs, reruns in by_load.items():
        stopped = [rerun.stopped(calibrated.precision, least) for rerun in reruns]
        rows.append(
            {
                **shared,
                "hogs": hogs,
                "runs": len(stopped),
                "replicates": float(np.mean([rerun.replicates for rerun in stopped])),
                "estimator": ESTIMATOR,
                "interval": INTERVAL,
                "stopping": f"{100 * calibrated.precision:g} %, {least} replicates at least",
                "stated": True,
                "contended": float(np.mean([rerun.busy for rerun in stopped])),
                **figures([rerun.intervals() for rerun in stopped], identical, sizes),
            }
        )
    return rows


def cell_of(calibrated: Calibrated, strategy: str) -> str:
    """Return the name of a strategy's cell."""
    return Cell(strategy, calibrated.block.default_zeroing).name
