"""What the CUDA device makes of the clocks, events and counters that PyTorch gives it: fakes."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.autograd import DeviceType

from gradbench.devices import cuda
from gradbench.devices.base import Memory
from gradbench.devices.cuda import Cuda


class Stream:
    """A device that works off, in order, what the host gives it; a clock that both share.

    A launch takes the host one second, and the device seven.
    """

    def __init__(self) -> None:
        self.host = self.free_at = 100.0
        self.stopped = 0.0
        self.log: list[str] = []

    def launch(self) -> None:
        self.host += 1.0
        self.free_at = max(self.free_at, self.host) + 7.0
        self.log.append("launch")

    def wait(self, *_: object) -> None:
        self.host = max(self.host, self.free_at)
        self.log.append("wait")

    def perf_counter_ns(self) -> int:
        self.log.append("clock")
        return round(self.host * 1e9)

    def thread_time_ns(self) -> int:
        return round((self.host - self.stopped) * 1e9)


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Stream:
    fake = Stream()

    class Event:
        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing

        def record(self) -> None:
            self.reached_at = max(fake.free_at, fake.host)
            fake.log.append("event")

        def synchronize(self) -> None:
            fake.wait()

        def elapsed_time(self, later: "Event") -> float:
            return (later.reached_at - self.reached_at) * 1e3

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", fake.wait)
    monkeypatch.setattr(cuda, "time", fake)
    return fake


def test_host_device_and_wall_time_are_three_figures(stream: Stream) -> None:
    timing = Cuda().time(stream.launch, 3)
    assert timing.host_s == pytest.approx(3.0)  # the calls return long before the work is done
    assert timing.device_s == pytest.approx(1.0 + 3 * 7.0)  # the first launch, then no gap
    assert timing.wall_s == pytest.approx(1.0 + 3 * 7.0)
    assert timing.stalled_s == pytest.approx(0.0)


def test_what_was_launched_before_is_in_no_figure(stream: Stream) -> None:
    stream.launch()
    timing = Cuda().time(stream.launch, 1)
    assert timing.wall_s == pytest.approx(8.0)
    assert stream.log.index("wait") < stream.log.index("clock")
    assert stream.log[-2:] == ["wait", "clock"]  # the wall's end is when the device is done


def test_a_process_that_was_stopped_is_seen(stream: Stream) -> None:
    def stopped() -> None:
        stream.host += 50.0
        stream.stopped += 50.0

    assert Cuda().time(stopped, 1).stalled_s == pytest.approx(50.0)


class Allocator:
    """The allocator's counters."""

    def __init__(self) -> None:
        self.now = self.peak = 1000

    def take(self, size: int) -> None:
        self.now += size
        self.peak = max(self.peak, self.now)


def event(kind: DeviceType, annotation: bool = False) -> Any:
    return SimpleNamespace(device_type=lambda: kind, is_user_annotation=lambda: annotation)


TRACED = [
    event(DeviceType.CPU),
    event(DeviceType.CPU, annotation=True),
    event(DeviceType.CUDA),
    event(DeviceType.CUDA),
    event(DeviceType.CUDA, annotation=True),  # "Optimizer.step#AdamW.step", on the device's line
]


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch, stream: Stream) -> Allocator:
    counters = Allocator()

    def reset(_: object) -> None:
        counters.peak = counters.now

    class Profile:
        def __init__(self, activities: object) -> None:
            kineto = SimpleNamespace(events=lambda: TRACED)
            self.profiler = SimpleNamespace(kineto_results=kineto)

        def __enter__(self) -> "Profile":
            return self

        def __exit__(self, *_: object) -> None:
            counters.take(10**6)  # the profiler's own

    monkeypatch.setattr(cuda, "profile", Profile)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", reset)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: counters.now)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: counters.peak)
    return counters


def test_counts_are_of_kernels_and_of_memory_beyond_what_was_there(memory: Allocator) -> None:
    memory.take(500)
    memory.now -= 500  # an earlier peak is not this call's

    def call() -> None:
        memory.take(64)
        memory.now -= 48

    assert Cuda().memory(call) == Memory(64, 16)
    counts = Cuda().count(call)
    assert (counts.launches, counts.peak_extra_bytes) == (2, 64)


@pytest.mark.parametrize(("count", "index", "said"), [(0, 0, "no CUDA device"), (2, 2, "0 to 1")])
def test_it_says_why_it_cannot_be_used(
    count: int, index: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    assert said in (Cuda(index).unavailable() or "")


def test_the_one_asked_for_becomes_the_current_one(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[Callable[..., None] | int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert Cuda(1).unavailable() is None
    assert chosen == [1]
