"""A CUDA device."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from gradbench.devices.base import Counts, Memory, Timing
from gradbench.devices.events import events_of
from gradbench.machine.contention import involuntary_switches
from gradbench.machine.gpu import driver_version, open_gpu

_KERNEL_MODULE = Path("/proc/driver/nvidia/version")
"""Tells the driver's version in containers without NVML; Windows' Linux has NVML only."""


@dataclass(frozen=True)
class Cuda:
    """A CUDA device: host, device and wall time are three figures.

    Args:
        index: Which one.

    Source: "Asynchronous execution" in PyTorch's CUDA semantics.
    """

    index: int = 0

    @property
    def torch_device(self) -> torch.device:
        return torch.device("cuda", self.index)

    def unavailable(self) -> str | None:
        if not torch.cuda.is_available():
            return "no CUDA device is available to PyTorch here"
        if not 0 <= self.index < torch.cuda.device_count():
            last = torch.cuda.device_count() - 1
            return f"device.index={self.index}: there are CUDA devices 0 to {last}"
        torch.cuda.set_device(self.index)
        return None

    def describe(self) -> str:
        return torch.cuda.get_device_name(self.index)

    def driver(self) -> str | None:
        text = _KERNEL_MODULE.read_text() if _KERNEL_MODULE.is_file() else ""
        found = re.search(r"Kernel Module.*?(\d+\.\d[\d.]*)", text)
        return found[1] if found else driver_version()

    def clock_hz(self) -> float | None:
        gpu = open_gpu(self.torch_device)
        told = gpu.highest_clock_hz() if gpu else None
        # The second choice: some versions of PyTorch do not have it.
        kilohertz = getattr(torch.cuda.get_device_properties(self.index), "clock_rate", 0)
        return told or float(kilohertz) * 1e3 or None

    def free_bytes(self) -> int:
        return int(torch.cuda.mem_get_info(self.index)[0])

    def total_bytes(self) -> int:
        return int(torch.cuda.get_device_properties(self.index).total_memory)

    @property
    def shortest_s(self) -> float:
        return 5e-4

    def time(self, call: Callable[[], object], calls: int) -> Timing:
        begin = torch.cuda.Event(enable_timing=True)
        end = torch.cuda.Event(enable_timing=True)
        torch.cuda.synchronize(self.index)
        switches, worked = involuntary_switches(), time.thread_time_ns()
        start = time.perf_counter_ns()
        begin.record()
        for _ in repeat(None, calls):
            call()
        end.record()
        returned = time.perf_counter_ns()
        end.synchronize()
        done = time.perf_counter_ns()
        wall_s = (done - start) / 1e9
        return Timing(
            wall_s=wall_s,
            host_s=(returned - start) / 1e9,
            device_s=begin.elapsed_time(end) / 1e3,
            switches=involuntary_switches() - switches,
            # The thread is on its processor even while it waits for the device: it spins.
            stalled_s=wall_s - (time.thread_time_ns() - worked) / 1e9,
        )

    def untimed(self, call: Callable[[], object]) -> float:
        start = time.perf_counter()
        call()
        torch.cuda.synchronize(self.index)
        return time.perf_counter() - start

    def evictor(self) -> Callable[[], object]:
        size = 2 * torch.cuda.get_device_properties(self.index).L2_cache_size
        # Read, not written: what is written would be carried out to memory within the next call's
        # time.
        buffer = torch.ones(max(size, 1 << 20) // 8, dtype=torch.int64, device=self.torch_device)
        return buffer.sum

    def memory(self, call: Callable[[], object]) -> Memory:
        torch.cuda.synchronize(self.index)
        torch.cuda.reset_peak_memory_stats(self.index)
        before = torch.cuda.memory_allocated(self.index)
        call()
        torch.cuda.synchronize(self.index)
        peak = torch.cuda.max_memory_allocated(self.index) - before
        return Memory(peak, torch.cuda.memory_allocated(self.index) - before)

    def count(self, call: Callable[[], object]) -> Counts:
        memory = self.memory(call)
        # A second call: the profiler's own buffers stay out of the memory figure.
        with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as trace:
            call()
            torch.cuda.synchronize(self.index)
        # What record_function marks, as each optimizer's step does, is on the device's line, too.
        launches = sum(
            event.device_type().name == "CUDA" and not event.is_user_annotation()
            for event in events_of(trace)
        )
        return Counts(launches, memory.peak_bytes)
