"""A sweep as cheap as can be, as a process of its own, and what must be true of what it leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from gradbench.results.load import load_readable
from tests.conftest import FACTORIES

TORTURE = bool(os.environ.get("GRADBENCH_TORTURE"))
"""Whether to do all of the damage, and not only a sample of it."""

ROOT = Path(__file__).parents[2]
SHARED = (
    "measurement=quick",
    "measurement.budget_s=0.05",
    "measurement.replicates=2",
    "measurement.min_replicates=2",
    "measurement.training_steps=1",
    "measurement.noise=inf",
    "measurement.product_rounds=1",
    "strategy=[no_grad]",
    "zeroing=[set_to_none]",
    "threads=1",
    "run=r",
)
LINEAR = (*SHARED, "model=linear")
CELLS = {"optimizer/set_to_none", "no_grad/set_to_none", "twin", "bandwidth"}
"""The cells of each of its blocks."""


def custom(*factories: str) -> tuple[str, ...]:
    """Override the model by functions of ``gradbench_factories``, a block each."""
    names = ",".join(f"gradbench_factories:{name}" for name in factories)
    return (*SHARED, "model=custom", "-m", f"model.factory={names}")


@dataclass
class Sweep:
    """A sweep that is running.

    Args:
        folder: Its working directory; ``results/r`` is below.
        arguments: What follows ``python -m gradbench``.
        environment: Further variables.
    """

    folder: Path
    arguments: Sequence[str]
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        scratch = self.folder / "tmp"
        scratch.mkdir(exist_ok=True)
        path = os.pathsep.join([str(ROOT), str(FACTORIES)])
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gradbench", *self.arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": path, "TMPDIR": str(scratch), **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    @property
    def results(self) -> Path:
        return self.folder / "results" / "r"

    def worker(self) -> psutil.Process | None:
        """The process that measures now; None between two blocks."""
        with suppress(psutil.NoSuchProcess):
            for server in psutil.Process(self.process.pid).children():
                for child in server.children():
                    return child
        return None

    def await_worker(self, timeout_s: float = 120) -> psutil.Process | None:
        """Wait for a worker; None if the sweep ended first."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self.process.poll() is None:
            worker = self.worker()
            if worker is not None:
                return worker
            time.sleep(0.02)
        assert self.process.poll() is not None, "no worker has come"
        return None

    def await_block(self, timeout_s: float = 120) -> None:
        """Wait until a block is finished."""
        deadline = time.monotonic() + timeout_s
        while not list(self.results.glob("cells/*.parquet")):
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, timeout_s: float = 240) -> tuple[int, str, str]:
        """Wait for the end; return exit status, output and errors."""
        output, errors = self.process.communicate(timeout=timeout_s)
        return self.process.returncode, output, errors


def finish(folder: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
    """Run a sweep to its end; return exit status, output and errors."""
    return Sweep(folder, arguments, environment).end()


def wait_gone(process: psutil.Process, seconds: float) -> bool:
    """Say whether a process ends within a time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.01)
                continue
        return True
    return False


def leftovers(sweep: Sweep) -> list[Path]:
    """List temporary files that a sweep has left behind."""
    hidden = [file for file in sweep.results.rglob(".*") if file.is_file()]
    scratch = sweep.folder / "tmp"
    return hidden + [file for prefix in ("gradbench-*", "pymp-*") for file in scratch.glob(prefix)]


def finished_blocks(results: Path) -> dict[str, tuple[bytes, bytes, bytes]]:
    """Read the blocks of a run that are finished and right, and check that each is whole.

    Returns:
        The bytes of its three files, by the block's name.
    """
    blocks = {}
    if not results.exists():
        return {}
    for table in ("cells", "samples", "gradients"):
        _, left_out = load_readable(results, table)
        assert left_out == [], left_out
    cells, _ = load_readable(results, "cells")
    assert not cells.duplicated(["block", "cell"]).any()
    samples, _ = load_readable(results, "samples")
    gradients, _ = load_readable(results, "gradients")
    for name, rows in cells.groupby("block"):
        assert set(rows["cell"]) == CELLS, name
        if set(rows["status"]) != {"ok"}:
            continue
        assert set(samples.loc[samples["block"] == name, "cell"]) >= CELLS, name
        assert (gradients["block"] == name).any(), name
        files = [results / table / f"{name}.parquet" for table in ("cells", "samples", "gradients")]
        first, second, third = (file.read_bytes() for file in files)
        blocks[str(name)] = (first, second, third)
    return blocks


def wrong_rows(results: Path) -> int:
    """Count rows of finished cells that cannot be true."""
    cells, _ = load_readable(results, "cells")
    samples, _ = load_readable(results, "samples")
    timed = cells[(cells["status"] == "ok")]
    absurd = ~(timed["update_s"] > 0) | ~(timed["update_s"] < 10)
    absurd |= ~timed["update_s"].between(timed["update_s_low"], timed["update_s_high"])
    clean = samples[~samples["disturbed"].astype(bool)]
    orphans = ~samples["block"].isin(cells["block"])
    return int(absurd.sum() + (~(clean["seconds"] > 0)).sum() + orphans.sum())
