"""How the training protocol spends its budget."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from gradbench.devices.base import Counts, Memory, Timing
from gradbench.request.block import Cell
from gradbench.timing.contender import Contender
from gradbench.timing.empty_call import nothing
from gradbench.timing.training import Training, TrainingResult
from tests.conftest import make


class Clockwork:
    """A device on which each phase takes a quarter of a second, of a clock that only it moves.

    What does nothing takes nothing.
    """

    torch_device = torch.device("cpu")

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def time(self, call: Callable[[], object], calls: int) -> Timing:
        if call is nothing:
            return Timing(0.0, 0.0, None, 0)
        call()
        self.now += 0.25
        return Timing(0.25, 0.25, None, 0)

    def memory(self, call: Callable[[], object]) -> Memory:
        call()
        return Memory(0, 0)

    def count(self, call: Callable[[], object]) -> Counts:
        raise AssertionError("what is timed afterwards may be slower for it")


def train(budget_s: float, steps: int, monkeypatch: pytest.MonkeyPatch) -> tuple[float, list[int]]:
    """Return the seconds that training took, and the timed steps of each pass."""
    device, module = Clockwork(), nn.Linear(2, 1)
    monkeypatch.setattr("gradbench.timing.compilation.time", device)
    contenders = [
        Contender(Cell(name, "set_to_none"), make("strategy", name), make("zeroing", "set_to_none"))
        for name in ("no_grad", "foreach")
    ]
    names = [name for name, _ in module.named_parameters()]
    training = Training(
        device, make("rule", "sgd"), module, torch.ones(3, 2), names, steps, 0, {}, "no_grad"
    )
    result: TrainingResult = training.measure(
        contenders, budget_s, np.random.default_rng(0), lambda done: None
    )
    assert all(parameter.grad is None for parameter in module.parameters())
    whole = [s for s in result.samples if s.phase == "step" and s.cell == "foreach/set_to_none"]
    passes = 1 + max(s.replicate for s in whole)
    return device.now, [sum(s.replicate == number for s in whole) for number in range(passes)]


def test_the_first_pass_is_always_made(monkeypatch: pytest.MonkeyPatch) -> None:
    assert train(0.0, 2, monkeypatch) == (2 * 3.0, [2])


def test_later_passes_are_as_long_as_the_budget_lets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two contenders, a second a step: a pass of n timed steps takes 2n + 2 seconds."""
    assert train(50.0, 2, monkeypatch) == (6.0 + 22.0 + 22.0, [2, 10, 10])
    assert train(17.0, 2, monkeypatch) == (6.0 + 10.0, [2, 4])
    assert train(11.0, 2, monkeypatch) == (6.0, [2])  # one step more is not worth starting over
