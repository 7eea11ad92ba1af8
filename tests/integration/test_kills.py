"""Kill -9 at random moments: nothing finished is lost, and the next start completes the sweep.

Ten kills; a hundred by ``make torture``.
"""

import random
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.integration.sweeping import (
    LINEAR,
    TORTURE,
    Sweep,
    finished_blocks,
    leftovers,
    wait_gone,
    wrong_rows,
)

BLOCKS = 8
COMMAND = (*LINEAR, "-m", f"seed=range({BLOCKS})")
KILLS = 100 if TORTURE else 10
GONE_S = 10.0 if TORTURE else 5.0
"""For an orphan to go: it takes milliseconds on a machine that is not busy."""


def victims(chance: random.Random) -> list[str]:
    kinds = ["worker"] * (KILLS * 6 // 10) + ["parent"] * (KILLS * 2 // 10)
    kinds += ["both"] * (KILLS - len(kinds))
    chance.shuffle(kinds)
    return kinds


def kill(process: psutil.Process | None) -> None:
    with suppress(psutil.NoSuchProcess):
        if process is not None:
            process.kill()


@pytest.mark.timeout(3000)
def test_a_sweep_that_is_killed_again_and_again(folder: Path, tally: Counter[str]) -> None:
    chance = random.Random(20)
    root, known, sweep = folder, {}, None
    folder = root / "0"
    for number, kind in enumerate(victims(chance)):
        if sweep is None:
            sweep = Sweep(folder, COMMAND)
        early = TORTURE and kind != "worker" and chance.random() < 0.2
        worker = None if early else sweep.await_worker()
        time.sleep(chance.uniform(0, 4.0 if early else 0.5))
        worker = sweep.worker() or worker
        if sweep.process.poll() is not None:  # it was done before this kill: another run
            complete(sweep, tally)
            folder, known = root / f"{number + 1}", {}
            sweep = Sweep(folder, COMMAND)
            worker = sweep.await_worker()
        tally["faults injected"] += 1
        if kind in ("parent", "both"):
            sweep.signal(signal.SIGKILL)
        if kind in ("worker", "both"):
            kill(worker)
        if kind == "worker":
            tally["kills survived"] += 1
            continue
        sweep.end(60)
        assert worker is None or wait_gone(worker, GONE_S), "a worker outlived its parent"
        found = finished_blocks(sweep.results)
        lost = [name for name, content in known.items() if found.get(name) != content]
        tally["blocks lost"] += len(lost)
        assert lost == []
        tally["kills survived"] += 1
        known, sweep = found, None
    complete(sweep or Sweep(folder, COMMAND), tally)


def complete(sweep: Sweep, tally: Counter[str]) -> None:
    """Let a sweep end, continue it, and check that all of it is there."""
    sweep.end()
    before = finished_blocks(sweep.results)
    again = Sweep(sweep.folder, COMMAND)
    status, output, errors = again.end()
    assert status == 0, output + errors
    after = finished_blocks(sweep.results)
    assert len(after) == BLOCKS
    assert {name: after[name] for name in before} == before  # not measured a second time
    assert output.count(": kept") == len(before)
    assert leftovers(again) == []
    wrong = wrong_rows(sweep.results)
    tally["wrong rows"] += wrong
    assert wrong == 0


def test_two_sweeps_into_one_run(folder: Path, tally: Counter[str]) -> None:
    command = (*LINEAR, "-m", "seed=range(4)")
    sweeps = [Sweep(folder, command) for _ in range(2)]
    ends = [sweep.end() for sweep in sweeps]
    tally["faults injected"] += 1
    assert [status for status, _, _ in ends] == [0, 0], ends
    assert len(finished_blocks(folder / "results" / "r")) == 4
    lines = [line for _, output, _ in ends for line in output.splitlines()]
    assert sum("4 ok;" in line for line in lines) == 4, ends  # each by one of the two
    assert sum(": kept" in line for line in lines) == 4
    assert leftovers(sweeps[0]) == []
    assert wrong_rows(folder / "results" / "r") == 0
