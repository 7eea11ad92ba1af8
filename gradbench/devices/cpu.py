"""The CPU."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from itertools import pairwise, repeat
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import torch
from torch.profiler import ProfilerActivity, profile

from gradbench.devices.base import Counts, Memory, Timing
from gradbench.devices.events import events_of
from gradbench.machine.contention import involuntary_switches
from gradbench.machine.run_queue import RunQueue, since

_ALIKE = 2.0
"""Calls that take no more times as long as the shortest were not cut off, unless it was."""


class Cpu:
    """The CPU: one clock for host and device, memory from the system's allocator."""

    def __init__(self) -> None:
        self._queue = RunQueue()

    @property
    def torch_device(self) -> torch.device:
        return torch.device("cpu")

    def unavailable(self) -> str | None:
        return None

    def describe(self) -> str:
        information = Path("/proc/cpuinfo")
        if information.is_file():
            for line in information.read_text(errors="replace").splitlines():
                key, _, value = line.partition(":")
                if key.strip() in ("model name", "Model", "Processor") and value.strip():
                    return value.strip()
        return platform.processor() or platform.machine()

    def driver(self) -> str | None:
        return None

    def clock_hz(self) -> float | None:
        highest = Path("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq")
        return float(highest.read_text()) * 1e3 if highest.is_file() else None

    def free_bytes(self) -> int:
        return int(psutil.virtual_memory().available)

    def total_bytes(self) -> int:
        return int(psutil.virtual_memory().total)

    @property
    def shortest_s(self) -> float:
        return 1e-4

    def time(self, call: Callable[[], object], calls: int) -> Timing:
        waited_s = self._queue.waited_s()
        switches, worked = involuntary_switches(), time.thread_time_ns()
        clock = time.perf_counter_ns
        stamps = [clock()]
        for _ in repeat(None, calls):
            call()
            stamps.append(clock())
        stalled_s = (stamps[-1] - stamps[0] - (time.thread_time_ns() - worked)) / 1e9
        switches = involuntary_switches() - switches
        waited_s = since(waited_s, self._queue.waited_s())
        each_s = [(end - start) / 1e9 for start, end in pairwise(stamps)]
        wall_s = calls * median(each_s)
        if calls > 1 and _mostly_whole(each_s, max(waited_s or 0.0, stalled_s)):
            return Timing(wall_s, wall_s, None, 0, 0.0, 0.0)
        return Timing(wall_s, wall_s, None, switches, stalled_s, waited_s)

    def untimed(self, call: Callable[[], object]) -> float:
        start = time.perf_counter()
        call()
        return time.perf_counter() - start

    def evictor(self) -> Callable[[], object]:
        size = 2 * last_level_cache_bytes()
        # Ones, since untouched pages of zeros are all one page. Read, not written: what is written
        # would be carried out to memory within the next call's time.
        return torch.ones(size // 8, dtype=torch.int64).sum

    def memory(self, call: Callable[[], object]) -> Memory:
        return _memory(_traced(call))

    def count(self, call: Callable[[], object]) -> Counts:
        events = _traced(call)
        launches = sum(event.name().startswith("aten::") for event in events)
        return Counts(launches, _memory(events).peak_bytes)


def _mostly_whole(each_s: Sequence[float], lost_s: float) -> bool:
    """Say whether more than half of a group's calls were whole, and so their median is.

    A call that is cut off lasts a scheduler's slice more. Where all are, the shortest is of the
    length of what was lost.
    """
    shortest_s = min(each_s)
    whole = sum(one_s <= _ALIKE * shortest_s for one_s in each_s)
    return 2 * whole > len(each_s) and len(each_s) * shortest_s < lost_s / _ALIKE


def _traced(call: Callable[[], object]) -> list[Any]:
    """Return what the profiler saw of a call."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as trace:
        call()
    return events_of(trace)


def _memory(events: list[Any]) -> Memory:
    held = peak = 0
    memory = (event for event in events if event.name() == "[memory]")
    for event in sorted(memory, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return Memory(peak, held)


def last_level_cache_bytes(
    caches: Path = Path("/sys/devices/system/cpu/cpu0/cache"),
) -> int:
    """Find the size of the largest cache that a core has a part in.

    Args:
        caches: Folder in which Linux describes the caches of a core.

    Returns:
        Bytes; 64 MiB where the system does not say.

    Source: Linux, Documentation/ABI/testing/sysfs-devices-system-cpu.
    """
    found = [file.read_text().strip() for file in caches.glob("index*/size")]
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    sizes = [int(size[:-1]) * units[size[-1]] for size in found if size[-1:] in units]
    return max(sizes, default=64 << 20)
