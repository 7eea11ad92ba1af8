"""A device whose every timed call finds the caches full of something else."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from gradbench.devices.base import Counts, Device, Memory, Timing


class ColdDevice:
    """A device that empties the caches before every call, outside of the clock.

    A group's timing is the sum of its calls', each timed by itself:
    T = Σᵢ time(callᵢ), with an eviction before each i that is in no figure. On CUDA the device's
    own clock synchronises first, so that the eviction's kernel has ended when the events begin.

    Args:
        device: Its clock, memory and counts are used.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._evict = device.evictor()
        self._evict()
        start = time.perf_counter()
        self._evict()
        self.evict_s = time.perf_counter() - start
        """Seconds that one eviction takes; on CUDA until its launch has returned."""

    @property
    def torch_device(self) -> torch.device:
        """The device as PyTorch names it."""
        return self._device.torch_device

    def unavailable(self) -> str | None:
        """Say why the device cannot be used here; None where it can."""
        return self._device.unavailable()

    def describe(self) -> str:
        """Return the hardware's name."""
        return self._device.describe()

    def driver(self) -> str | None:
        """Return the version of the hardware's driver."""
        return self._device.driver()

    def clock_hz(self) -> float | None:
        """Return the highest clock of the hardware, in Hz."""
        return self._device.clock_hz()

    def free_bytes(self) -> int:
        """Return the memory a block may use, in bytes."""
        return self._device.free_bytes()

    def total_bytes(self) -> int:
        """Return the memory that the device has, in bytes."""
        return self._device.total_bytes()

    def evictor(self) -> Callable[[], object]:
        """Return what empties the caches."""
        return self._evict

    @property
    def shortest_s(self) -> float:
        """Shortest duration of a sample, in seconds, unless another one is asked for."""
        return self._device.shortest_s

    def time(self, call: Callable[[], object], calls: int) -> Timing:
        """Time calls one by one, each on cold caches.

        Args:
            call: What to time.
            calls: How often.

        Returns:
            The sum of the calls' durations, evictions left out.
        """
        timings = []
        for _ in range(calls):
            self._evict()
            timings.append(self._device.time(call, 1))
        device_s = [t.device_s for t in timings if t.device_s is not None]
        stalled_s = [t.stalled_s for t in timings if t.stalled_s is not None]
        waited_s = [t.waited_s for t in timings if t.waited_s is not None]
        return Timing(
            wall_s=sum(t.wall_s for t in timings),
            host_s=sum(t.host_s for t in timings),
            device_s=sum(device_s) if device_s else None,
            switches=sum(t.switches for t in timings),
            stalled_s=sum(stalled_s) if stalled_s else None,
            waited_s=sum(waited_s) if waited_s else None,
        )

    def untimed(self, call: Callable[[], object]) -> float:
        """Make a call that is no sample, on cold caches; seconds, the eviction left out."""
        self._evict()
        return self._device.untimed(call)

    def memory(self, call: Callable[[], object]) -> Memory:
        """See what one call allocates; no cache changes that."""
        return self._device.memory(call)

    def count(self, call: Callable[[], object]) -> Counts:
        """Count what one call does; no cache changes that."""
        return self._device.count(call)
