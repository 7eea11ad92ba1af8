"""What a device, with its clock, synchronisation and memory, gives to the measurement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch

SWITCH_PERIOD_S = 0.010
"""A group may be switched out once per so many seconds: an idle kernel does that by itself."""

STALL_S = 0.001
STALLED_SHARE = 0.5
"""A group may stand still for so long, or for this part of it: its thread waits for other ones."""

WAITED_SHARE = 0.05
"""Threads of the process may wait for a processor for this part of a group, added up."""


@dataclass(frozen=True)
class Timing:
    """Duration of a group of back-to-back calls, what the clock itself takes included.

    Args:
        wall_s: Until the work was done, in seconds.
        host_s: Until the calls had returned, in seconds.
        device_s: Between events on the device, in seconds; None where host and device are one.
        switches: Involuntary context switches of the process meanwhile.
        stalled_s: Seconds in which the calling thread was not on a processor, in seconds: stopped,
            suspended, or waiting. None where that is not known.
        waited_s: Seconds for which threads of the process could have run and were not let, added
            up, in seconds; None where the system does not tell it.
    """

    wall_s: float
    host_s: float
    device_s: float | None
    switches: int
    stalled_s: float | None = None
    waited_s: float | None = None

    @property
    def interrupted(self) -> bool:
        """Whether something other than the calls took part in the duration."""
        if self.wall_s <= 0:  # the clock was set back
            return True
        if self.switches > self.wall_s / SWITCH_PERIOD_S:
            return True
        # A thread that shares the work waited: the group lasted as long as its wait.
        if (self.waited_s or 0.0) > WAITED_SHARE * self.wall_s:
            return True
        # SIGSTOP and a suspended machine are no involuntary switches to Linux.
        return (self.stalled_s or 0.0) > max(STALL_S, STALLED_SHARE * self.wall_s)


@dataclass(frozen=True)
class Memory:
    """What one call does to the memory that is allocated.

    Args:
        peak_bytes: Peak beyond what was there before, in bytes.
        left_bytes: What is still allocated of it when the call has returned, in bytes.
    """

    peak_bytes: int
    left_bytes: int


@dataclass(frozen=True)
class Counts:
    """What one call does, without a clock.

    Args:
        launches: Operators dispatched (CPU) or kernels launched (CUDA).
        peak_extra_bytes: Peak of the memory allocated beyond what was there before, in bytes.
    """

    launches: int
    peak_extra_bytes: int


class Device(Protocol):
    """Where a block runs."""

    @property
    def torch_device(self) -> torch.device:
        """The device as PyTorch names it."""
        ...

    def unavailable(self) -> str | None:
        """Say why the device cannot be used here; None where it can."""
        ...

    def describe(self) -> str:
        """Return the hardware's name."""
        ...

    def driver(self) -> str | None:
        """Return the version of the hardware's driver; None where it has none or it is unknown."""
        ...

    def clock_hz(self) -> float | None:
        """Return the highest clock of the hardware, in Hz; None where it is unknown."""
        ...

    def free_bytes(self) -> int:
        """Return the memory a block may use, in bytes."""
        ...

    def total_bytes(self) -> int:
        """Return the memory that the device has, in bytes."""
        ...

    @property
    def shortest_s(self) -> float:
        """Shortest duration of a sample, in seconds, unless another one is asked for."""
        ...

    def time(self, call: Callable[[], object], calls: int) -> Timing:
        """Time a group of back-to-back calls.

        Args:
            call: What to time.
            calls: How often.

        Returns:
            The group's duration; where host and device are one, as many times the median of its
            calls, so that what cuts off fewer than half of them is not in it.
        """
        ...

    def untimed(self, call: Callable[[], object]) -> float:
        """Make a call that is no sample: the clock reads nothing but the time.

        Args:
            call: What to call.

        Returns:
            Seconds until its work was done.
        """
        ...

    def evictor(self) -> Callable[[], object]:
        """Allocate what it takes to empty the caches.

        Returns:
            A call after which no cache holds what was there before; it may return before the
            device is done.
        """
        ...

    def memory(self, call: Callable[[], object]) -> Memory:
        """See what one call allocates.

        Args:
            call: What to look at, already called before, so that nothing is set up in it.

        Returns:
            Peak and rest.
        """
        ...

    def count(self, call: Callable[[], object]) -> Counts:
        """Count what one call does; what is timed afterwards may be slower for it.

        Args:
            call: What to count, already called before, so that nothing is set up in it.

        Returns:
            The counts.
        """
        ...
