"""A worker that is stopped and goes on, and one that has a single core."""

import os
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

import gradbench
from tests.integration.sweeping import LINEAR, TORTURE, Sweep, finished_blocks, wrong_rows

STOP_S = 0.3
COMMAND = [a for a in LINEAR if "budget_s" not in a and "threads" not in a]


def test_a_worker_stopped_in_the_middle(folder: Path, tally: Counter[str]) -> None:
    blocks = 6 if TORTURE else 1
    budget = "measurement.budget_s=1"
    sweep = Sweep(folder, [*COMMAND, budget, "-m", f"seed=range({blocks})"])
    while (worker := sweep.await_worker()) is not None:
        with suppress(psutil.NoSuchProcess):
            time.sleep(0.2)
            worker.send_signal(signal.SIGSTOP)
            time.sleep(STOP_S)
            worker.send_signal(signal.SIGCONT)
            tally["faults injected"] += 1
    status, output, errors = sweep.end()
    assert status == 0, output + errors
    assert len(finished_blocks(sweep.results)) == blocks
    samples = gradbench.load(sweep.results, "samples")
    clean = samples[~samples["disturbed"]]
    assert (clean["seconds"] * clean["calls"] < STOP_S).all()
    assert wrong_rows(sweep.results) == 0


@pytest.mark.skipif(not TORTURE, reason="make torture")
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="pinning is Linux's")
def test_two_threads_on_one_core(folder: Path) -> None:
    core = min(os.sched_getaffinity(0))
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {core})
        sweep = Sweep(folder, [*COMMAND, "measurement.budget_s=0.2", "threads=2"])
    finally:
        os.sched_setaffinity(0, before)
    status, output, errors = sweep.end()
    assert status == 0, output + errors
    assert len(finished_blocks(sweep.results)) == 1
    assert wrong_rows(sweep.results) == 0
