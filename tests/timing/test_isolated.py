from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch

from gradbench.block.run import measure_block
from gradbench.calibration.planted import Planted
from gradbench.devices.cpu import Cpu
from gradbench.request.block import Block
from gradbench.strategies.base import Strategy
from gradbench.timing.binding import bind_with_gradients
from gradbench.timing.processors import Processors
from tests.conftest import TINY, allocate, make


def test_rounds_and_replicates_are_taken_though_the_budget_is_spent(
    plan: Callable[..., Block], device: torch.device
) -> None:
    least = ("measurement.min_replicates=2", "measurement.min_rounds=3")
    spent = ("measurement.budget_s=0", *least)
    asked = ("strategy=[no_grad]", "zeroing=[set_to_none]", f"device={device.type}")
    block = plan(*TINY, *spent, *asked)
    isolated = measure_block(block, lambda *_: None).isolated
    assert isolated is not None
    assert (isolated.replicates, isolated.rounds) == (2, 6)
    taken = {(sample.replicate, sample.round) for sample in isolated.samples}
    assert taken == {(replicate, round_) for replicate in range(2) for round_ in range(3)}
    # On the CPU the host's clock is the device's.
    clocked = {sample.device_s is not None for sample in isolated.samples}
    assert clocked == {device.type != "cpu"}


def test_every_replicate_begins_on_the_next_processor(
    plan: Callable[..., Block], monkeypatch: pytest.MonkeyPatch
) -> None:
    log: list[str] = []
    time = Cpu.time

    def timed(self: Cpu, *arguments: Any) -> Any:
        log.append("time")
        return time(self, *arguments)

    def begun(_: Processors) -> int:
        log.append("begin")
        return 7 + log.count("begin")

    monkeypatch.setattr(Cpu, "time", timed)
    monkeypatch.setattr(Processors, "begin", begun)
    least = ("measurement.budget_s=0", "measurement.min_replicates=3")
    steps = ("measurement.training_share=0", "measurement.training_steps=0")
    block = plan(*TINY, *least, *steps, "strategy=[no_grad]", "zeroing=[set_to_none]")
    isolated = measure_block(block, lambda *_: None).isolated
    assert isolated is not None
    assert {(s.replicate, s.processor) for s in isolated.samples} == {(0, 8), (1, 9), (2, 10)}
    begins = [index for index, each in enumerate(log) if each == "begin"]
    assert len(begins) == 3
    assert all("time" in log[start:end] for start, end in pairwise([*begins, len(log)]))


def test_nothing_is_timed_after_counting(
    plan: Callable[..., Block], monkeypatch: pytest.MonkeyPatch
) -> None:
    """CUDA's profiler, once used, makes every later launch slower."""
    log: list[str] = []

    def logged(name: str) -> Callable[..., Any]:
        plain = getattr(Cpu, name)

        def call(self: Cpu, *arguments: Any) -> Any:
            log.append(name)
            return plain(self, *arguments)

        return call

    for name in ("time", "count"):
        monkeypatch.setattr(Cpu, name, logged(name))
    block = plan(*TINY, "strategy=[no_grad,foreach]", "zeroing=[set_to_none]")
    measured = measure_block(block, lambda *_: None)
    assert measured.training is not None
    assert measured.training.samples
    assert "time" in log
    assert "count" in log
    assert "time" not in log[log.index("count") :]


@pytest.mark.parametrize("planted", [False, True])
@pytest.mark.parametrize("zeroing", ["set_to_none", "set_to_zero"])
def test_gradients_that_are_released_are_gathered_in_every_call(
    zeroing: str, planted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in training, where backward allocates them anew; what stays is where it is read."""
    rule, flat = make("rule", "sgd"), make("strategy", "flat_fused")
    strategy: Strategy = Planted(flat, 0.1) if planted else flat
    gathered: list[int] = []
    plain = torch.cat
    monkeypatch.setattr(
        torch, "cat", lambda tensors, **how: gathered.append(len(tensors)) or plain(tensors, **how)
    )
    step, release = bind_with_gradients(
        strategy, make("zeroing", zeroing), rule, allocate(rule).tensors
    )
    step()  # in the first one, also what is planted is gathered
    for _ in range(3):
        gathered.clear()
        step()
        assert (gathered != []) == (zeroing == "set_to_none")
    release()
