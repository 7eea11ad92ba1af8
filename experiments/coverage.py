"""Does a 95 % interval of a speedup hold what a fresh re-run finds, and do identical things differ?

An interval says how far a figure is to be trusted. Whether it says so rightly cannot be seen from
one measurement. So one block is measured again and again, each time in a fresh process, on a quiet
machine and with busy processes beside it, and three things are counted:

- coverage: how many of the stated intervals hold the median of all re-runs;
- false alarms: how many intervals of cells that are the baseline under another name leave out 1;
- what is found: strategies that carry out the baseline's update and a known share of it again, on
  scratch tensors, are slower by that share of real work. The smallest that is found in four of
  five re-runs is what one measurement can tell from nothing.

`python -m gradbench calibrate` does it and stores every sample. experiments/coverage.md shows what
it found, and what other estimators and intervals say of the same samples
(experiments/estimators.py).

Sources: Georges, Buytaert and Eeckhout, Statistically Rigorous Java Performance Evaluation, 2007
(fresh processes, intervals); Kalibera and Jones, Rigorous Benchmarking in Reasonable Time, 2013
(where the variation is decides what is to be replicated).
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import torch

from gradbench.observing.cases import claim
from gradbench.observing.observation import Observation, Verdict
from gradbench.observing.script import main
from gradbench.report.calibration import found_text, load_of, percent
from gradbench.results.load import load

AIMS = {"coverage": 0.93, "false_alarms": 0.05, "detectable_difference": 0.02}
"""What gradbench wants: at least, at most, and at most on a quiet machine."""


def observe(
    device: torch.device, runs: int = 5, seconds: float = 5.0, hogs: str = "0,1,2"
) -> Iterator[Observation]:
    """Calibrate in a folder of its own, and hold what is stated against the aims."""
    with TemporaryDirectory(prefix="gradbench-") as folder:
        command = [sys.executable, "-m", "gradbench", "calibrate", f"device={device.type}"]
        options = [f"--runs={runs}", f"--seconds={seconds}", f"--hogs={hogs}"]
        answer = subprocess.run(
            [*command, *options, f"--output={folder}", "--run=calibration"],
            capture_output=True,
            text=True,
        )
        if answer.returncode:
            raise RuntimeError(answer.stderr.strip() or f"status {answer.returncode}")
        rows = load(Path(folder), "calibrations")
    yield from judge(rows)


def judge(rows: pd.DataFrame) -> Iterator[Observation]:
    """Hold the stated method's figures against the aims, for each load."""
    for row in rows[rows["stated"]].to_dict("records"):
        load_ = load_of(row)
        source = f"gradbench's own aim; {row['model']} · {row['rule']}"
        yield Observation(
            case=f"{load_}: intervals hold the median of the re-runs",
            expected=f"{percent(AIMS['coverage'])} or more",
            outcome=percent(row["coverage"]),
            verdict=claim(row["coverage"] >= AIMS["coverage"]),
            message=f"{row['intervals']} intervals of {row['runs']} re-runs of "
            f"{row['seconds']:g} s, half-width {percent(row['half_width'])}; 95 % interval of "
            f"the share {percent(row['coverage_low'])} to {percent(row['coverage_high'])}",
            source=source,
        )
        yield Observation(
            case=f"{load_}: identical cells are called different",
            expected=f"{percent(AIMS['false_alarms'])} or fewer",
            outcome=percent(row["false_alarms"]),
            verdict=claim(row["false_alarms"] <= AIMS["false_alarms"]),
            message=f"{row['identical']} intervals; 95 % interval of the share "
            f"{percent(row['false_alarms_low'])} to {percent(row['false_alarms_high'])}",
            source=source,
        )
        found = row["detectable_difference"]
        aimed = row["hogs"] == 0
        met = bool(found <= AIMS["detectable_difference"])  # NaN, nothing found, is False
        yield Observation(
            case=f"{load_}: the smallest difference found",
            expected=f"{percent(AIMS['detectable_difference'])} or less" if aimed else "no aim",
            outcome=found_text(found),
            verdict=claim(met) if aimed else Verdict.skipped,
            message=f"in {row['seconds']:g} s, in four of five re-runs or more"
            + ("" if aimed else "; only the quiet machine has an aim"),
            source=source,
        )


if __name__ == "__main__":
    main(observe)
