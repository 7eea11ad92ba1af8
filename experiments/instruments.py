"""How far do the tools that people time PyTorch with scatter, on the same speedup?

Most people who compare two ways of doing something time one, then the other, with
`torch.utils.benchmark.Timer`, pytest-benchmark or pyperf. What changes between the two (another
process, the clock frequency, a neighbour) then looks like a difference between the ways.
gradbench times both in the same rounds, leaves out samples in which it was interrupted, and
allocates anew.

Here each tool gets the same two calls, the same seconds and the same machine, by turns, again and
again. What a tool says differs from repeat to repeat: the less, the more can be told from one. A
call is also held against itself, where the right answer is known: 1.

`python -m gradbench.instruments` does it and stores every ratio; experiments/instruments.md shows
them. How each tool is used is in gradbench/instruments/, one short file for each.

Sources: documentation of torch.utils.benchmark (its recipe compares medians), pytest-benchmark
(calibration, rounds), pyperf ("Run a benchmark": processes, warmups, values).
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
from gradbench.observing.observation import Observation
from gradbench.observing.script import main
from gradbench.report.calibration import load_name, percent
from gradbench.report.instruments import OWN, TIMER, summarise
from gradbench.results.load import load

QUIET_SHARE, BUSY_SHARE = 1.0, 0.1


def observe(
    device: torch.device, repeats: int = 5, seconds: float = 2.0, hogs: str = "0,2"
) -> Iterator[Observation]:
    """Compare in a folder of its own, and hold gradbench's spread against Timer's."""
    with TemporaryDirectory(prefix="gradbench-") as folder:
        command = [sys.executable, "-m", "gradbench.instruments", f"device={device.type}"]
        options = [f"--repeats={repeats}", f"--seconds={seconds}", f"--hogs={hogs}"]
        threads = ["threads=2"] if device.type == "cpu" else []
        answer = subprocess.run(
            [*command, *threads, *options, f"--output={folder}", "--run=instruments"],
            capture_output=True,
            text=True,
        )
        if answer.returncode:
            raise RuntimeError(answer.stderr.strip() or f"status {answer.returncode}")
        rows = load(Path(folder), "instruments")
    yield from judge(summarise(rows))


def judge(summary: pd.DataFrame) -> Iterator[Observation]:
    """Hold the spread of gradbench against that of the better Timer, for each load and pair."""
    for (hogs, pair), rows in summary.groupby(["hogs", "pair"], sort=True):
        spreads = {str(row["instrument"]): row["spread"] for _, row in rows.iterrows()}
        own = spreads[OWN]
        timer = min(spread for name, spread in spreads.items() if name.startswith(TIMER))
        share = QUIET_SHARE if hogs == 0 else BUSY_SHARE
        yield Observation(
            case=f"{load_name(int(str(hogs)))}: {pair}",
            expected=f"a spread of {share:g} times Timer's at most",
            outcome=f"{own / timer:.2f} times",
            verdict=claim(own <= share * timer),
            message="; ".join(f"{name} {percent(value)}" for name, value in spreads.items()),
            source="gradbench's own aim",
        )


if __name__ == "__main__":
    main(observe)
