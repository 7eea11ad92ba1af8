from collections.abc import Callable
from typing import Any

import pytest
import torch

from gradbench.block.run import measure_block
from gradbench.devices.cpu import Cpu
from gradbench.request.block import Block
from tests.conftest import TINY


def test_rounds_and_replicates_are_taken_though_the_budget_is_spent(
    plan: Callable[..., Block], device: torch.device
) -> None:
    spent = ("measurement.budget_s=0", "measurement.min_replicates=2", "measurement.min_rounds=3")
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
