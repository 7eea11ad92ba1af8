"""What is timed in every round, and how many calls make a sample of it."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from gradbench.devices.base import Device
from gradbench.statistics.sample import Phase

COLD_S = 0.050
"""A call this long is sampled without an untimed one before it: it moves far more bytes than any
cache holds, so that it finds nothing of its own there, whoever went before."""

LONGEST_SAMPLE = 20
"""Times as long as it must be may the usual sample be, so that all have as many calls."""

_MAX_CALLS = 1 << 14

_TRIES, _TRYING_S = 100, 0.5
"""A group that was interrupted is timed again, so often and for so long. Beside busy processes a
call of microseconds may take a hundred milliseconds, and would be sampled as one that does."""


@dataclass(frozen=True)
class Arm:
    """Something that is timed in every round.

    Args:
        cell: Name of the cell it belongs to.
        phase: What is timed.
        call: What to time.
        restore: Puts back, outside the clock, what one call used up; then a sample is one call.
    """

    cell: str
    phase: Phase
    call: Callable[[], object]
    restore: Callable[[], object] | None = None


class ArmRaised(Exception):
    """An arm raised something, which is the cause.

    Args:
        cell: The arm's cell.
        phase: Its phase.
        doing: What was being done with it.
    """

    def __init__(self, cell: str, phase: Phase, doing: str) -> None:
        super().__init__(f"{cell}: {doing}")
        self.cell, self.phase, self.doing = cell, phase, doing


@contextmanager
def naming(cell: str, phase: Phase, doing: str) -> Iterator[None]:
    """Name the arm that raised what is raised inside.

    Args:
        cell: The arm's cell.
        phase: Its phase.
        doing: What is being done with it.

    Raises:
        ArmRaised: Something was raised inside.
    """
    try:
        yield
    except Exception as error:
        raise ArmRaised(cell, phase, doing) from error


@dataclass(frozen=True)
class Grouping:
    """How an arm is sampled.

    Args:
        calls: Back-to-back calls per sample.
        warm_up: Whether an untimed call goes first.
        spent_s: Seconds spent in calls to find this out.
        long: Whether a call, or putting back what it used up, takes as long as ``COLD_S``.
        call_s: Seconds of a call; infinite where a sample is one, whatever others are.
    """

    calls: int
    warm_up: bool
    spent_s: float
    long: bool = False
    call_s: float = math.inf


def choose_calls(device: Device, arm: Arm, shortest_s: float) -> Grouping:
    """Find how many calls make a sample last long enough for the clock.

    Args:
        device: Its clock is used.
        arm: What to call.
        shortest_s: Shortest duration of a sample, in seconds.

    Returns:
        How to sample it.
    """
    if arm.restore is not None:
        start = time.perf_counter()
        arm.restore()
        restored_s = time.perf_counter() - start
        # What takes so long to put back would leave nothing in the caches for a second call.
        wall_s = device.time(arm.call, 1).wall_s
        return Grouping(1, restored_s < COLD_S, wall_s, max(restored_s, wall_s) >= COLD_S)
    calls, spent, first = 1, 0.0, True
    while calls < _MAX_CALLS:
        wall_s, tried_s = _undisturbed(device, arm.call, calls)
        spent += tried_s
        # The first call may have set something up; only a very long one is believed.
        if wall_s >= shortest_s and (not first or wall_s >= 100 * shortest_s):
            break
        if wall_s < shortest_s:
            # Aim a little over, never more than tenfold from one noisy reading.
            wanted = 1.2 * calls * shortest_s / max(wall_s, 1e-9)
            calls = min(max(int(wanted), calls + 1), 10 * calls, _MAX_CALLS)
        first = False
    long = wall_s >= COLD_S * calls
    return Grouping(calls, warm_up=not long, spent_s=spent, long=long, call_s=wall_s / calls)


def with_equal_calls(groupings: Sequence[Grouping], longest_s: float) -> list[Grouping]:
    """Give every sample as many calls as the one that needs most.

    Each call finds the caches a little warmer than the one before it, so that the median of five
    calls is shorter than that of two: by 1 to 2 µs, which is 1 to 5 % of an update of few tensors,
    and identical code would be called different.

    Args:
        groupings: How arms are sampled that are compared.
        longest_s: The usual sample is not made longer than this; where a call takes so long, those
            microseconds do not show, and a sample has as many as it needs.

    Returns:
        The groupings, in the same order.
    """
    short_s = [grouping.call_s for grouping in groupings if grouping.call_s < longest_s]
    if not short_s:
        return list(groupings)
    usual = int(longest_s / max(statistics.median(short_s), 1e-9))
    calls = min(max(grouping.calls for grouping in groupings), usual)
    return [replace(g, calls=max(g.calls, calls)) if g.call_s < longest_s else g for g in groupings]


def _undisturbed(device: Device, call: Callable[[], object], calls: int) -> tuple[float, float]:
    """Time a group until nothing interrupts it; return its least seconds, and those of all."""
    least_s, spent_s = math.inf, 0.0
    for _ in range(_TRIES):
        timing = device.time(call, calls)
        least_s, spent_s = min(least_s, timing.wall_s), spent_s + timing.wall_s
        if not timing.interrupted or spent_s >= _TRYING_S:
            break
    return least_s, spent_s
