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


def group(
    each_s: list[float], waited_s: float, monkeypatch: pytest.MonkeyPatch, switches: int = 0
) -> Timing:
    """Time a group whose calls take so long, while threads of the process wait so long."""
    stamps = iter([round(1e9 * sum(each_s[:n])) for n in range(len(each_s) + 1)])
    waits, counts = iter([0.0, waited_s]), iter([0, switches])
    device = Cpu()
    monkeypatch.setattr(time, "perf_counter_ns", lambda: next(stamps))
    monkeypatch.setattr(device._queue, "waited_s", lambda: next(waits))
    monkeypatch.setattr("gradbench.devices.cpu.involuntary_switches", lambda: next(counts))
    monkeypatch.setattr(time, "thread_time_ns", lambda: 0)
    return device.time(lambda: None, len(each_s))


WHOLE, SLICE = 2e-5, 8e-3


@pytest.mark.parametrize("cut", [0, 1, 2])
def test_what_cuts_off_few_calls_of_a_group_is_not_in_it(
    cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    each_s = [WHOLE] * (5 - cut) + [SLICE] * cut
    timing = group(each_s, cut * SLICE, monkeypatch, switches=cut)
    assert timing.wall_s == pytest.approx(5 * WHOLE)
    assert not sample(timing).switched or cut == 0  # without a wait the thread's own clock decides


@pytest.mark.parametrize("cut", [3, 4, 5])
def test_a_group_that_is_mostly_cut_off_is_disturbed(
    cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where all calls last a slice they are all alike, and the wait is as long as they are."""
    each_s = [WHOLE] * (5 - cut) + [SLICE] * cut
    assert sample(group(each_s, cut * SLICE, monkeypatch, switches=cut)).switched


def test_a_single_call_is_as_long_as_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    timing = group([SLICE], SLICE - WHOLE, monkeypatch)
    assert timing.wall_s == pytest.approx(SLICE)
    assert timing.waited_s == pytest.approx(SLICE - WHOLE)
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
