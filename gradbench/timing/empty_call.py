"""What the clock itself takes: a call that does nothing, timed as every other one is."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from gradbench.devices.base import Device, Timing

SHORTEST_S = 1e-9
"""The clock's unit: no call is said to take less, or nothing at all."""

_FEWEST, _MOST = 3, 101
_SPENT_S = 1e-3
_GROUP = 101


def nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True)
class EmptyCall:
    """Time of n back-to-back calls that do nothing, e(n) = first + (n − 1)·further.

    Args:
        wall_s: Of the first until all was done: reading clocks, the loop and one call, in seconds;
            on a GPU also recording two events and waiting for the second.
        host_s: Of the first until it had returned, in seconds.
        further_s: Of each further one: the loop and one call, in seconds; on a CPU, which times
            each call of a group by itself, also reading the clock.
    """

    wall_s: float
    host_s: float
    further_s: float = 0.0

    def taken_off(self, timing: Timing, calls: int) -> Timing:
        """Leave of a group's duration what the calls did: T − e(n).

        The time between events on a device stays as it is: the host's clock is not in it.

        Args:
            timing: Of a group of calls.
            calls: How many.

        Returns:
            The timing, with at least ``SHORTEST_S`` a call; that of a clock which was set back as
            it is.
        """
        if timing.wall_s <= 0:
            return timing
        further_s, least_s = (calls - 1) * self.further_s, calls * SHORTEST_S
        wall_s = max(timing.wall_s - self.wall_s - further_s, least_s)
        host_s = max(timing.host_s - self.host_s - further_s, least_s)
        return replace(timing, wall_s=wall_s, host_s=min(host_s, wall_s))


FREE = EmptyCall(0.0, 0.0)
"""Takes nothing off."""


def time_empty_call(
    device: Device, *, grouped: bool = False, restore: Callable[[], object] | None = None
) -> EmptyCall:
    """Time a call that does nothing.

    The median of up to 101, as figures are medians of samples: the shortest would be one of luck
    and leave the usual rest in them. The clock's own code is warm here, after other calls it may
    not be, so that what is taken off is rather too little than too much.

    Args:
        device: Its clock is used.
        grouped: Several calls are timed together as well.
        restore: Goes before each, outside of the clock, as before the calls that are timed: it
            leaves the caches as they find them.

    Returns:
        The times.
    """
    first = _median(device, 1, restore)
    group = _median(device, _GROUP, restore) if grouped else first
    further_s = max(group.wall_s - first.wall_s, 0.0) / (_GROUP - 1)
    return EmptyCall(first.wall_s, first.host_s, further_s)


def _median(device: Device, calls: int, restore: Callable[[], object] | None) -> Timing:
    timings: list[Timing] = []
    end = time.perf_counter() + _SPENT_S
    while len(timings) < _FEWEST or (len(timings) < _MOST and time.perf_counter() < end):
        if restore is not None:
            restore()
        timings.append(device.time(nothing, calls))
    wall_s = statistics.median(timing.wall_s for timing in timings)
    host_s = statistics.median(timing.host_s for timing in timings)
    return Timing(max(wall_s, 0.0), max(host_s, 0.0), None, 0)
