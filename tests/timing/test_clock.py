"""Clocks that go backwards and processes that stand still: no sample of theirs is clean."""

import math
import os
import signal
import subprocess
import sys
import time

import pytest

from gradbench.devices.base import Timing
from gradbench.devices.cpu import Cpu
from gradbench.statistics.estimates import estimate
from gradbench.statistics.sample import Sample
from gradbench.timing.sampling import sample_of


def sample(timing: Timing, cell: str = "a", replicate: int = 0, round_: int = 0) -> Sample:
    return sample_of(
        timing,
        cell=cell,
        protocol="isolated",
        replicate=replicate,
        round_=round_,
        phase="update",
        calls=1,
    )


@pytest.mark.parametrize(
    ("timing", "switched"),
    [
        (Timing(1e-3, 1e-3, None, 0), False),
        (Timing(1e-3, 1e-3, None, 0, stalled_s=1e-6), False),
        (Timing(1e-3, 1e-3, None, 0, stalled_s=-1e-6), False),  # two clocks never quite agree
        (Timing(-1e-3, -1e-3, None, 0), True),
        (Timing(0.0, 0.0, None, 0), True),
        (Timing(1.001, 1.001, None, 0, stalled_s=1.0), True),
        (Timing(0.012, 0.012, None, 0, stalled_s=0.011), True),
        (Timing(1e-3, 1e-3, None, 1), True),
    ],
)
def test_what_took_part_in_a_sample_marks_it(timing: Timing, switched: bool) -> None:
    assert sample(timing).switched is switched


def test_a_clock_that_goes_backwards(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([5_000_000, 4_000_000])
    monkeypatch.setattr(time, "perf_counter_ns", lambda: next(readings))
    timing = Cpu().time(lambda: None, 1)
    assert timing.wall_s == pytest.approx(-1e-3)
    assert sample(timing).switched


def test_no_estimate_is_made_of_times_that_are_none() -> None:
    """Not even where nothing is clean; then there is a guess, and no interval."""
    taken = [
        sample(Timing(wall_s, wall_s, None, 9), cell, replicate, round_)
        for cell, wall_s in (("base", 2e-3), ("twin", 2e-3), ("bandwidth", 1e-3), ("a", 1e-3))
        for replicate in range(3)
        for round_ in range(4)
    ]
    backwards = [
        sample(Timing(-1.0, -1.0, None, 0), s.cell, s.replicate, 4) for s in taken if s.round == 0
    ]
    found = estimate([*taken, *backwards], baseline="base", twin="twin", control="bandwidth")
    assert found.contended
    assert found.times["a", "update"].estimate == pytest.approx(1e-3)
    assert found.times["a", "update"].low == 0
    assert found.speedups["a"].estimate == pytest.approx(2.0)
    assert found.speedups["a"].half_width == math.inf


def test_a_process_stopped_in_the_middle_of_a_sample() -> None:
    """SIGSTOP is to Linux no involuntary switch, so that only the thread's own clock shows it."""
    code = "import os, sys, time\nwhile True: time.sleep(0.1); os.kill(*map(int, sys.argv[1:]))"
    waker = subprocess.Popen(
        [sys.executable, "-S", "-c", code, str(os.getpid()), str(int(signal.SIGCONT))]
    )
    try:
        taken = [Cpu().time(lambda: os.kill(os.getpid(), signal.SIGSTOP), 1) for _ in range(3)]
    finally:
        waker.kill()
        waker.wait()
    longest = max(taken, key=lambda timing: timing.wall_s)
    assert longest.wall_s > 0.02
    assert longest.stalled_s is not None
    assert longest.stalled_s > 0.02
    assert sample(longest).switched
