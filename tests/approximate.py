"""Approximate strategies, to be named by ``_target_``: what they promise they keep, or break."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Rule, Slots
from gradbench.strategies.base import Approximation, Binding, Strategy

_BLOCK = 256


def quantised(tensor: Tensor) -> Tensor:
    """Round to 8 bits: the root's sign and 1 to 127 steps of the largest in each block.

    None is rounded to zero, by whose root AdamW would divide.
    """
    flat = tensor.reshape(-1, _BLOCK)
    root = flat.sign() * flat.abs().sqrt()
    scale = root.abs().amax(dim=1, keepdim=True).clamp_min(1e-20) / 127
    steps = (root / scale).round()
    back = torch.where(steps == 0, root.sign(), steps) * scale
    return (back.sign() * back * back).view_as(tensor)


def stochastically_rounded(tensor: Tensor) -> Tensor:
    """Round float32 to bfloat16, up or down with probabilities that keep the mean."""
    bits = tensor.view(torch.int32)
    noise = torch.randint(1 << 16, bits.shape, dtype=torch.int32)
    return ((bits + noise) & -(1 << 16)).view(torch.float32).bfloat16()


@dataclass(frozen=True)
class EightBit(Strategy):
    """Keeps its state in 8 bits from step to step."""

    update_error: float = 0.2

    @property
    def approximation(self) -> Approximation:
        return Approximation(self.update_error)

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        count = 0

        @torch.no_grad()
        def step() -> None:
            nonlocal count
            count += 1
            for parameter, row in zip(parameters, slots, strict=True):
                assert parameter.grad is not None
                rule.step(parameter, parameter.grad, row, count)
                for tensor in row.values():
                    if tensor.numel() % _BLOCK == 0:
                        tensor.copy_(quantised(tensor))

        return Binding(step)


@dataclass(frozen=True)
class Rounded(Strategy):
    """Computes in float32 with a float32 state, and stores parameters in bfloat16."""

    rounding: Callable[[Tensor], Tensor]
    unbiased: bool = True

    @property
    def approximation(self) -> Approximation:
        return Approximation(1.0, self.unbiased)

    def supports(self, rule: Rule, device: torch.device, dtype: torch.dtype) -> str | None:
        return None if dtype == torch.bfloat16 else f"rounds to bfloat16, not {dtype}"

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        count = 0
        state = [{name: t.float() for name, t in row.items()} for row in slots]

        @torch.no_grad()
        def step() -> None:
            nonlocal count
            count += 1
            for parameter, row in zip(parameters, state, strict=True):
                assert parameter.grad is not None
                wide = parameter.float()
                rule.step(wide, parameter.grad.float(), row, count)
                parameter.copy_(self.rounding(wide))

        return Binding(step)


class Stochastic(Rounded):
    """Rounds stochastically."""

    def __init__(self) -> None:
        super().__init__(stochastically_rounded)


class Nearest(Rounded):
    """Claims to be unbiased, and rounds to nearest."""

    def __init__(self) -> None:
        super().__init__(Tensor.bfloat16)
