"""What the clock itself takes is in no figure, however many calls it reads at once."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from gradbench.devices import cpu, cuda
from gradbench.devices.base import Device, Timing
from gradbench.devices.cpu import Cpu
from gradbench.devices.cuda import Cuda
from gradbench.statistics.sample import Sample
from gradbench.timing import empty_call as module
from gradbench.timing.arms import Arm, Grouping
from gradbench.timing.cold import ColdDevice
from gradbench.timing.empty_call import SHORTEST_S, EmptyCall, time_empty_call
from gradbench.timing.sampling import Rounds, empty_calls

READ_NS, CALL_NS, EVICTED_NS = 264, 29, 900
"""Of reading the clock, of the loop and a call, and of reading it with nothing in the caches."""
RECORD_NS, LATENCY_NS = 2_000, 6_000
"""Of recording an event on a GPU, and from there until the host hears of it."""


class Costly:
    """A clock that time passes on with each reading and each call; and a GPU beside it."""

    def __init__(self) -> None:
        self.now_ns = self.gpu_free_ns = 0
        self.read_ns = READ_NS
        self.jitter: Callable[[], int] = lambda: 0

    def perf_counter_ns(self) -> int:
        self.now_ns += self.read_ns + self.jitter()
        return self.now_ns

    def thread_time_ns(self) -> int:
        return self.now_ns

    def call(self, host_ns: int = 0, gpu_ns: int = 0) -> Callable[[], None]:
        """Return a call that takes a host and a GPU so long, beside what every call takes."""

        def call() -> None:
            self.now_ns += CALL_NS + host_ns
            if gpu_ns:
                self.gpu_free_ns = max(self.gpu_free_ns, self.now_ns) + gpu_ns

        return call

    def evict(self) -> None:
        self.read_ns = EVICTED_NS


class Idle:
    """A run queue in which nobody waits."""

    def waited_s(self) -> float:
        return 0.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Costly:
    fake = Costly()

    class Event:
        def __init__(self, enable_timing: bool) -> None:
            self.reached_ns = 0

        def record(self) -> None:
            fake.now_ns += RECORD_NS
            self.reached_ns = max(fake.gpu_free_ns, fake.now_ns)

        def synchronize(self) -> None:
            fake.now_ns = max(fake.now_ns, self.reached_ns) + LATENCY_NS

        def elapsed_time(self, later: "Event") -> float:
            return (later.reached_ns - self.reached_ns) / 1e6

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda *_: None)
    for device in (cpu, cuda):
        monkeypatch.setattr(device, "time", fake)
        # Those of the machine are of another clock.
        monkeypatch.setattr(device, "involuntary_switches", lambda: 0)
    monkeypatch.setattr(cpu, "RunQueue", Idle)
    monkeypatch.setattr(cpu.Cpu, "evictor", lambda self: fake.evict)
    monkeypatch.setattr(module, "nothing", fake.call())
    return fake


def sampled(
    device: Device, call: Callable[[], object], calls: int, *, restore: bool = False
) -> Sample:
    """Take a round as the isolated protocol does."""
    arm = Arm("a", "zero", call, (lambda: None) if restore else None)
    groupings = [Grouping(calls, warm_up=False, spent_s=0.0)]
    empty = empty_calls(device, [arm], groupings)
    rounds = Rounds(device, [arm], groupings, np.random.default_rng(0), empty=empty)
    return rounds.take(0, 0)[0]


@pytest.mark.parametrize("calls", [1, 100])
@pytest.mark.parametrize("cost_ns", [40, 5_000])
def test_a_calls_cost_is_found_alone_and_in_a_group(
    clock: Costly, calls: int, cost_ns: int
) -> None:
    sample = sampled(Cpu(), clock.call(cost_ns), calls)
    assert sample.seconds == sample.host_s == pytest.approx(cost_ns * 1e-9)
    # Of a CPU's group each call is timed by itself.
    assert sample.empty_call_s == pytest.approx((READ_NS + CALL_NS) * 1e-9)
    assert not sample.switched


def test_single_calls_of_what_is_restored_and_groups_agree(clock: Costly) -> None:
    alone = sampled(Cpu(), clock.call(300), 1, restore=True)
    grouped = sampled(Cpu(), clock.call(300), 500)
    assert alone.seconds == pytest.approx(grouped.seconds)


@pytest.mark.parametrize("calls", [1, 100])
def test_on_a_gpu_events_and_waiting_are_no_cost_of_calls_that_launch_nothing(
    clock: Costly, calls: int
) -> None:
    sample = sampled(Cuda(), clock.call(700), calls)
    assert sample.seconds == pytest.approx(700e-9)
    assert sample.host_s == pytest.approx(700e-9)
    assert sample.device_s == pytest.approx((RECORD_NS / calls + CALL_NS + 700) * 1e-9)


@pytest.mark.parametrize(("host_ns", "gpu_ns"), [(9_000, 500), (9_000, 40_000)])
def test_a_gpu_that_works_is_never_said_to_be_faster_than_it_is(
    clock: Costly, host_ns: int, gpu_ns: int
) -> None:
    """Bound by launches or by kernels: left over is at most one launch, hidden is nothing."""
    calls = 50
    sample = sampled(Cuda(), clock.call(host_ns, gpu_ns), calls)
    truth_s = max(host_ns, gpu_ns) * 1e-9
    launch_s = (host_ns + CALL_NS) * 1e-9
    assert truth_s <= sample.seconds <= truth_s + launch_s / calls
    assert sample.host_s == pytest.approx(host_ns * 1e-9)
    assert sample.host_s <= sample.seconds
    assert sample.device_s is not None
    assert sample.device_s >= gpu_ns * 1e-9  # as the events have it


def test_cold_calls_are_compared_with_cold_ones(clock: Costly) -> None:
    sample = sampled(ColdDevice(Cpu()), clock.call(2_000), 1)
    assert sample.seconds == pytest.approx(2e-6)
    assert sample.empty_call_s == pytest.approx((EVICTED_NS + CALL_NS) * 1e-9)


@pytest.mark.parametrize("calls", [1, 100])
def test_no_call_takes_no_time(clock: Costly, calls: int) -> None:
    sample = sampled(Cpu(), module.nothing, calls)
    assert sample.seconds == sample.host_s == pytest.approx(SHORTEST_S)
    raw = sample.seconds + sample.empty_call_s
    assert raw == pytest.approx((READ_NS + CALL_NS) * 1e-9)


def test_a_clock_that_was_set_back_stays_so() -> None:
    back = Timing(-1e-3, -1e-3, None, 0)
    assert EmptyCall(3e-7, 3e-7).taken_off(back, 1) == back


def test_one_reading_gone_wrong_changes_little(clock: Costly) -> None:
    rng = np.random.default_rng(0)
    clock.jitter = lambda: int(1e6 if rng.random() < 0.2 else rng.integers(0, 10))
    empty = time_empty_call(Cpu(), grouped=True)
    assert empty.wall_s == pytest.approx((READ_NS + CALL_NS) * 1e-9, rel=0.05)
    assert empty.further_s == pytest.approx((READ_NS + CALL_NS) * 1e-9, rel=0.05)


def test_what_is_restored_goes_before_each(clock: Costly) -> None:
    log: list[str] = []
    clock.jitter = lambda: log.append("read") or 0  # type: ignore[func-returns-value]
    time_empty_call(Cpu(), restore=lambda: log.append("restore"))
    assert log == ["restore", "read", "read"] * (len(log) // 3)
    assert 3 * module._FEWEST <= len(log) <= 3 * module._MOST
