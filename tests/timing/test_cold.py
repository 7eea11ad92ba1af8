from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra.errors import ConfigCompositionException

from gradbench.block.identity import identity
from gradbench.devices import cpu
from gradbench.devices.base import Device
from gradbench.request.block import Block, Cell
from gradbench.timing.bandwidth import BandwidthControl
from gradbench.timing.cold import ColdDevice
from gradbench.timing.contender import Contender
from gradbench.timing.isolated import measure_isolated
from gradbench.timing.isolation import Isolation
from gradbench.verify.tensors import Tensors
from tests.conftest import make


class FakeClock:
    """A clock that only work moves, with what happened since."""

    def __init__(self) -> None:
        self.now_ns = self.stopped_ns = 0
        self.log: list[str] = []

    def perf_counter_ns(self) -> int:
        self.log.append("clock")
        return self.now_ns

    def thread_time_ns(self) -> int:
        return self.now_ns - self.stopped_ns

    def work(self, name: str, seconds: float) -> Callable[[], None]:
        def call() -> None:
            self.log.append(name)
            self.now_ns += round(seconds * 1e9)

        return call


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """The CPU with a fake clock, and an eviction of a hundred seconds."""
    fake = FakeClock()
    monkeypatch.setattr(cpu, "time", fake)
    monkeypatch.setattr(cpu.Cpu, "evictor", lambda self: fake.work("evict", 100.0))
    return fake


def test_evictions_precede_each_call_and_are_outside_of_the_timed_span(clock: FakeClock) -> None:
    cold = ColdDevice(cpu.Cpu())
    clock.log.clear()
    timing = cold.time(clock.work("call", 2.0), 3)
    assert timing.wall_s == timing.host_s == pytest.approx(6.0)
    assert timing.device_s is None
    assert clock.log == ["evict", "clock", "call", "clock"] * 3


def test_a_stall_in_a_cold_call_is_seen(clock: FakeClock) -> None:
    def stopped() -> None:  # SIGSTOP: the clock goes on, the thread does not
        clock.now_ns += 50_000_000
        clock.stopped_ns += 50_000_000

    timing = ColdDevice(cpu.Cpu()).time(stopped, 2)
    assert timing.stalled_s == pytest.approx(0.1)


def test_hot_calls_follow_one_another(clock: FakeClock) -> None:
    assert cpu.Cpu().time(clock.work("call", 2.0), 3).wall_s == pytest.approx(6.0)
    assert clock.log == ["clock", *["call", "clock"] * 3]


def test_a_cold_block_times_single_calls(monkeypatch: pytest.MonkeyPatch, hardware: Device) -> None:
    evicted: list[int] = []
    monkeypatch.setattr(type(hardware), "evictor", lambda self: lambda: evicted.append(1))
    # What they take is of no interest here.
    monkeypatch.setattr("gradbench.timing.isolated.empty_calls", lambda *_: ())
    rule, shapes = make("rule", "sgd"), [torch.Size([8]), torch.Size([4])]
    cells = [Cell("no_grad", "set_to_none", role) for role in ("baseline", "twin")]
    contenders = [
        Contender(cell, make("strategy", "no_grad"), make("zeroing", "set_to_none"))
        for cell in cells
    ]
    device = ColdDevice(hardware)
    evicted.clear()
    result = measure_isolated(
        device,
        rule,
        lambda empty: Tensors.allocate(shapes, torch.float32, device.torch_device, rule, empty),
        contenders,
        {"bandwidth": BandwidthControl.matching(rule, shapes, torch.float32)},
        Isolation(0.0, 0.01, 1e-3, 2, 2, cold=True),
        np.random.default_rng(0),
        lambda done: None,
    )
    assert {sample.calls for sample in result.samples} == {1}
    # A replicate's first round touches its memory; zeroing here makes its own each time.
    updates = [s for s in result.samples if s.phase == "update"]
    assert len(evicted) == len(result.samples) + len(updates)


def test_the_buffer_is_larger_than_the_last_level_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index, size in enumerate(("48K", "2048K", "3M", "")):
        (tmp_path / f"index{index}").mkdir()
        (tmp_path / f"index{index}/size").write_text(f"{size}\n")
    assert cpu.last_level_cache_bytes(tmp_path) == 3 << 20
    assert cpu.last_level_cache_bytes(tmp_path / "absent") == 64 << 20
    monkeypatch.setattr(cpu, "last_level_cache_bytes", lambda: 3 << 20)
    walk = cpu.Cpu().evictor()
    assert walk() == (6 << 20) // 8  # every element, and pages of their own: they hold ones


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_cuda_has_three_cold_figures() -> None:
    cold = ColdDevice(make("device", "cuda"))
    x = torch.ones(1 << 16, device="cuda")
    timing = cold.time(lambda: x.add_(1), 5)
    assert timing.device_s is not None
    assert 0 < timing.host_s <= timing.wall_s


def test_cold_is_another_block_and_says_so(plan: Callable[..., Block]) -> None:
    hot, cold = plan(), plan("measurement.cache=cold")
    assert hot.name != cold.name
    assert [identity(b, b.cells[0])["cache"] for b in (hot, cold)] == ["hot", "cold"]


def test_a_cache_that_is_neither_is_refused(plan: Callable[..., Block]) -> None:
    with pytest.raises(ConfigCompositionException, match=r"(?s)warm") as caught:
        plan("measurement.cache=warm")
    assert "hot, cold" in str(caught.value.__cause__)
