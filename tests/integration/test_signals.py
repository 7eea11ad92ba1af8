"""SIGINT and SIGTERM, also twice: what is finished is kept, and how to go on is said."""

import os
import shlex
import signal
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

import gradbench
from tests.integration.sweeping import (
    LINEAR,
    TORTURE,
    Sweep,
    custom,
    finish,
    finished_blocks,
    leftovers,
    wait_gone,
)

WORKER_GONE_S = 2.0
TERMINAL = "SIGINT to all, as a terminal sends it"
WAYS = [(TERMINAL, 130), ("SIGINT", 130), ("SIGTERM", 143)]


def send(sweep: Sweep, way: str) -> None:
    if way == TERMINAL:
        os.killpg(sweep.process.pid, signal.SIGINT)
    else:
        sweep.signal(signal.Signals[way])


def command_to_continue(errors: str) -> list[str]:
    words = shlex.split(errors.strip().splitlines()[-1].split("to continue: ")[1])
    assert words[:3] == ["python", "-m", "gradbench"]
    return words[3:]


@pytest.mark.parametrize(("way", "expected"), WAYS if TORTURE else WAYS[:1])
@pytest.mark.parametrize("times", [1, 2, 5] if TORTURE else [2])
def test_an_interrupted_sweep_goes_on_by_the_command_it_prints(
    folder: Path, tally: Counter[str], way: str, expected: int, times: int
) -> None:
    name = "run='Läufe 1'"
    arguments = [*(a for a in LINEAR if a != "run=r"), name, "-m", "seed=range(3)"]
    sweep = Sweep(folder, arguments)
    results = folder / "results" / "Läufe 1"
    while not list(results.glob("cells/*.parquet")):
        assert sweep.process.poll() is None, sweep.end()
        time.sleep(0.02)
    worker = sweep.await_worker()
    before = finished_blocks(results)
    for _ in range(times):
        send(sweep, way)
        time.sleep(0.05)
    tally["faults injected"] += 1
    assert worker is None or wait_gone(worker, WORKER_GONE_S)
    status, output, errors = sweep.end(30)
    assert status == expected, output + errors
    assert "Traceback" not in errors
    assert errors.count("\n") == 1, errors
    found = finished_blocks(results)
    assert {block: found[block] for block in before} == before
    assert list(gradbench.load(results, "runs")["state"]) == ["interrupted"]
    assert leftovers(sweep) == []
    status, output, errors = finish(folder, *command_to_continue(errors))
    assert status == 0, output + errors
    assert len(finished_blocks(results)) == 3


@pytest.mark.skipif(not TORTURE, reason="make torture; a plain SIGTERM is in test_cli.py")
def test_a_worker_that_will_not_listen_is_ended(folder: Path, tally: Counter[str]) -> None:
    sweep = Sweep(folder, custom("ignores_signals"))
    worker = sweep.await_worker()
    assert worker is not None
    time.sleep(1.0)
    sweep.signal(signal.SIGTERM)
    tally["faults injected"] += 1
    assert wait_gone(worker, WORKER_GONE_S)
    assert sweep.end(30)[0] == 143
    assert not psutil.pid_exists(worker.pid)
