"""Gradient descent with momentum."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from gradbench.rules import kernels
from gradbench.rules.base import Count, Rule, Slots, check_fraction, check_positive


@dataclass(frozen=True)
class Momentum(Rule):
    """Heavy ball: b ← μ·b + g, p ← p − lr·b.

    Args:
        lr: Learning rate.
        momentum: Decay μ of the buffer, in (0, 1).

    Raises:
        ValueError: An option lies outside its bounds.

    Source: Polyak, Some methods of speeding up the convergence of iteration methods, 1964, in
    PyTorch's form (documentation of torch.optim.SGD): lr multiplies the buffer, not the gradient.
    """

    lr: float
    momentum: float

    slots: ClassVar[tuple[str, ...]] = ("momentum_buffer",)
    accesses: ClassVar[int] = 5
    roundings: ClassVar[int] = 3

    def __post_init__(self) -> None:
        check_positive(lr=self.lr, momentum=self.momentum)
        check_fraction(momentum=self.momentum)

    def reference(
        self, parameter: Tensor, gradient: Tensor, slots: Slots, count: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        buffer = self.momentum * slots["momentum_buffer"] + gradient
        return parameter - self.lr * buffer, {"momentum_buffer": buffer}

    def step(self, parameter: Tensor, gradient: Tensor, slots: Slots, count: Count) -> None:
        buffer = slots["momentum_buffer"].mul_(self.momentum).add_(gradient)
        parameter.sub_(buffer, alpha=self.lr)

    def change(self, parameter: Tensor, gradient: Tensor, slots: Slots, count: Count) -> Tensor:
        return slots["momentum_buffer"].mul_(self.momentum).add_(gradient) * -self.lr

    def step_list(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        slots: Mapping[str, list[Tensor]],
        count: Count,
    ) -> None:
        buffers = slots["momentum_buffer"]
        torch._foreach_mul_(buffers, self.momentum)
        torch._foreach_add_(buffers, gradients)
        torch._foreach_sub_(parameters, buffers, alpha=self.lr)

    def step_fused(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        slots: Mapping[str, list[Tensor]],
        counts: list[Tensor],
    ) -> None:
        buffers = slots["momentum_buffer"]
        kernels.sgd(parameters, gradients, buffers, lr=self.lr, momentum=self.momentum)

    def optimizer(self, parameters: Sequence[Tensor], **implementation: Any) -> torch.optim.SGD:
        return torch.optim.SGD(parameters, lr=self.lr, momentum=self.momentum, **implementation)
