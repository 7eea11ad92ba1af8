from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gradbench.devices.base import Device
from gradbench.models.base import Batch, place
from gradbench.request.block import Cell
from gradbench.timing.contender import Contender
from gradbench.timing.training import Training, TrainingResult
from tests.conftest import make

WIDTH = 256
GRADIENT = WIDTH * WIDTH * 4


class Greedy(nn.Module):
    """One matrix, and a planted allocation that lives until backward is done."""

    def __init__(self, extra: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(WIDTH))
        self.extra = extra

    def forward(self, x: Tensor) -> Tensor:
        loss: Tensor = (x @ self.weight).square().mean()
        if self.extra:
            kept = torch.ones(self.extra // 4, device=x.device, requires_grad=True)
            loss = loss + 0 * kept.mul(kept.detach()).sum()
        return loss


def zeroing(name: str) -> Any:
    return Wasteful() if name == "wasteful" else make("zeroing", name)


def peaks(
    hardware: Device, extra: int, zeroings: tuple[str, ...], counted: str = "optimizer"
) -> dict[str, int]:
    rule: Any = make("rule", "sgd")
    inputs: Batch
    device = hardware.torch_device
    module, inputs = place(Greedy(extra), torch.randn(4, WIDTH), device, torch.float32)
    training = Training(hardware, rule, module, inputs, ["weight"], 1, 0, {}, counted)
    contenders = [
        Contender(Cell("optimizer", name), make("strategy", "optimizer"), zeroing(name))
        for name in zeroings
    ]
    result: TrainingResult = training.measure(
        contenders, 0.0, np.random.default_rng(0), lambda done: None
    )
    return result.step_peaks


def test_a_planted_allocation_is_seen(hardware: Device) -> None:
    plain = peaks(hardware, 0, ("set_to_none",))["optimizer/set_to_none"]
    greedy = peaks(hardware, 8_000_000, ("set_to_none",))["optimizer/set_to_none"]
    assert greedy - plain == pytest.approx(16_000_000, rel=0.6)
    assert greedy - plain >= 8_000_000


def test_gradients_that_stay_count(hardware: Device) -> None:
    found = peaks(hardware, 0, ("set_to_none", "set_to_zero", "assign_none"))
    assert found["optimizer/set_to_none"] >= GRADIENT
    assert found["optimizer/assign_none"] == found["optimizer/set_to_none"]
    # Kept, and one more in backward that is added to it.
    assert found["optimizer/set_to_zero"] >= 2 * GRADIENT
    assert found["optimizer/set_to_zero"] > found["optimizer/set_to_none"]


class Wasteful:
    """Clears gradients, and allocates several of them meanwhile."""

    releases = accumulates = False

    def bind(self, parameters: Sequence[nn.Parameter]) -> Callable[[], None]:
        def clear() -> None:
            for parameter in parameters:
                assert parameter.grad is not None
                parameter.grad.mul_(torch.zeros(8, *parameter.shape, device=parameter.device)[0])

        return clear


def test_what_a_zeroing_allocates_counts(hardware: Device) -> None:
    plain = peaks(hardware, 0, ("set_to_zero",))["optimizer/set_to_zero"]
    assert plain < 8 * GRADIENT
    # CUDA's caching allocator gives a block whole where less than 1 MiB of it would be left.
    most = 0 if hardware.torch_device.type == "cpu" else 1 << 20
    wasted = peaks(hardware, 0, ("wasteful",))["optimizer/wasteful"]
    assert 9 * GRADIENT <= wasted <= 9 * GRADIENT + most


def test_only_the_baselines_strategy_is_counted(hardware: Device) -> None:
    assert peaks(hardware, 0, ("set_to_none",), counted="foreach") == {}
