"""From stored samples to the rows of ``calibrations``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gradbench.calibration.block import IDENTICAL, Calibrated
from gradbench.calibration.judgement import figures
from gradbench.calibration.methods import METHODS, STATED, Method
from gradbench.calibration.replay import Rerun, reruns_of
from gradbench.request.block import Cell
from gradbench.results.store import now
from gradbench.statistics.intervals import FEWEST_PRECISE
from gradbench.version import __version__

if TYPE_CHECKING:
    import pandas as pd

_FEW = (8,)
_EARLIEST = (3, 6, 8)
"""Least numbers of replicates for which early stopping is replayed."""

_STRICTER = 0.8
"""Share of the precision asked for at which a stricter early stop is replayed."""


def calibration_rows(
    calibrated: Calibrated, samples: pd.DataFrame, planted: pd.DataFrame
) -> list[dict[str, Any]]:
    """Judge every method on the same samples.

    Args:
        calibrated: What was measured.
        samples: Rows of ``calibration_samples``.
        planted: Rows of ``planted_work``.

    Returns:
        Rows of ``calibrations``: for each load the stated method first, as the engine would have
        stopped.
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
    rows = []
    for hogs, reruns in by_load.items():
        least = max(int(settings["min_replicates"]), FEWEST_PRECISE)
        trials: list[tuple[Method, str, list[Rerun], bool]] = []
        for count in sorted({least, *_EARLIEST}, key=lambda count: count != least):
            stopped = [rerun.stopped(calibrated.precision, count) for rerun in reruns]
            label = f"{100 * calibrated.precision:g} %, {count} replicates at least"
            trials.append((STATED, label, stopped, count == least))
        stricter = _STRICTER * calibrated.precision
        stopped = [rerun.stopped(stricter, least) for rerun in reruns]
        trials.append(
            (STATED, f"{100 * stricter:g} %, {least} replicates at least", stopped, False)
        )
        trials += [(method, "budget", reruns, False) for method in METHODS]
        for label, taken in _same_time(reruns):
            trials += [(m, label, taken, False) for m in METHODS if m.estimator == STATED.estimator]
        for method, stopping, taken, stated in trials:
            rows.append(
                {
                    **shared,
                    "hogs": hogs,
                    "runs": len(taken),
                    "replicates": float(np.mean([rerun.replicates for rerun in taken])),
                    "estimator": method.estimator,
                    "interval": method.interval,
                    "stopping": stopping,
                    "stated": stated,
                    "contended": float(np.mean([rerun.busy for rerun in taken])),
                    **figures([rerun.intervals(method) for rerun in taken], identical, sizes),
                }
            )
    return rows


def _same_time(reruns: list[Rerun]) -> Iterator[tuple[str, list[Rerun]]]:
    """Yield ways to spend the time of a few long replicates: these, or more and shorter ones."""
    fewest = min(rerun.replicates for rerun in reruns)
    for few in _FEW:
        if 2 * few <= fewest:
            yield f"{few} replicates", [rerun.first(few) for rerun in reruns]
            shorter = [rerun.first(fewest).thinned(few / fewest) for rerun in reruns]
            yield f"as long, {fewest} replicates", shorter


def cell_of(calibrated: Calibrated, strategy: str) -> str:
    """Return the name of a strategy's cell."""
    return Cell(strategy, calibrated.block.default_zeroing).name
