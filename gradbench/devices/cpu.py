"""The CPU."""

from __future__ import annotations

import platform
import resource
import time
from collections.abc import Callable
from itertools import repeat
from pathlib import Path

import psutil
import torch
from torch.profiler import ProfilerActivity, profile

from gradbench.devices.base import Counts, Timing


class Cpu:
    """The CPU: one clock for host and device, memory from the system's allocator."""

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

    def free_bytes(self) -> int:
        return int(psutil.virtual_memory().available)

    def time(self, call: Callable[[], object], calls: int) -> Timing:
        switches = involuntary_switches()
        start = time.perf_counter_ns()
        for _ in repeat(None, calls):
            call()
        wall_s = (time.perf_counter_ns() - start) / 1e9
        return Timing(wall_s, wall_s, None, involuntary_switches() - switches)

    def count(self, call: Callable[[], object]) -> Counts:
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as trace:
            call()
        events = trace.profiler.kineto_results.events()
        launches = sum(event.name().startswith("aten::") for event in events)
        held = peak = 0
        memory = (event for event in events if event.name() == "[memory]")
        for event in sorted(memory, key=lambda event: event.start_ns()):
            held += event.nbytes()
            peak = max(peak, held)
        return Counts(launches, peak)


def involuntary_switches() -> int:
    """Return how often the process has been switched out against its will.

    Source: getrusage(2), ``ru_nivcsw``; all threads of the process.
    """
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
