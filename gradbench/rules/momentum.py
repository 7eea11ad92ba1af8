"""Gradient descent with momentum, Polyak's or Nesterov's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from gradbench.rules import kernels
from gradbench.rules.base import Count, Rule, Slots, check_fraction, check_nonnegative


@dataclass(frozen=True)
class Momentum(Rule):
    """Momentum: b ← μ·b + g, then p ← p − lr·b, or Nesterov's p ← p − lr·(g + μ·b).

    Args:
        lr: Learning rate.
        momentum: Decay μ of the buffer, in [0, 1); for Nesterov's in (0, 1).
        nesterov: Whether to look ahead, as Nesterov's momentum does.

    Raises:
        ValueError: An option lies outside its bounds.

    Source: Polyak, Some methods of speeding up the convergence of iteration methods, 1964, and
    Sutskever et al., On the importance of initialization and momentum in deep learning, 2013, in
    PyTorch's form (documentation of torch.optim.SGD): lr multiplies the buffer, not the gradient.
    """

    lr: float
    momentum: float
    nesterov: bool = False

    slots: ClassVar[tuple[str, ...]] = ("momentum_buffer",)
    accesses: ClassVar[int] = 5

    def __post_init__(self) -> None:
        check_nonnegative(lr=self.lr)
        check_fraction(momentum=self.momentum)
        if self.nesterov and self.momentum == 0:
            raise ValueError("rule.momentum=0: Nesterov's looks ahead along it, choose more than 0")

    def amplified(self) -> "Momentum":
        return replace(self, lr=0.25, momentum=0.5)

    def reference(
        self, parameter: Tensor, gradient: Tensor, slots: Slots, count: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        buffer = self.momentum * slots["momentum_buffer"] + gradient
        direction = gradient + self.momentum * buffer if self.nesterov else buffer
        return parameter - self.lr * direction, {"momentum_buffer": buffer}

    def step(self, parameter: Tensor, gradient: Tensor, slots: Slots, count: Count) -> None:
        buffer = slots["momentum_buffer"].mul_(self.momentum).add_(gradient)
        if self.nesterov:  # two in-place passes instead of a temporary for g + μ·b
            parameter.sub_(gradient, alpha=self.lr)
        parameter.sub_(buffer, alpha=self._buffer_lr)

    def change(self, parameter: Tensor, gradient: Tensor, slots: Slots, count: Count) -> Tensor:
        buffer = slots["momentum_buffer"].mul_(self.momentum).add_(gradient)
        if self.nesterov:
            return gradient.add(buffer, alpha=self.momentum).mul_(-self.lr)
        return buffer * -self.lr

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
        if self.nesterov:
            torch._foreach_sub_(parameters, gradients, alpha=self.lr)
        torch._foreach_sub_(parameters, buffers, alpha=self._buffer_lr)

    @property
    def _buffer_lr(self) -> float:
        """Factor of the buffer in what is subtracted."""
        return self.lr * self.momentum if self.nesterov else self.lr

    def step_fused(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        slots: Mapping[str, list[Tensor]],
        counts: list[Tensor],
    ) -> None:
        buffers, options = slots["momentum_buffer"], {"lr": self.lr, "momentum": self.momentum}
        if self.momentum == 0:  # the kernel takes no buffers then
            torch._foreach_copy_(buffers, gradients)
            buffers = []
        kernels.sgd(parameters, gradients, buffers, **options, nesterov=self.nesterov)

    def optimizer(self, parameters: Sequence[Tensor], **implementation: Any) -> torch.optim.SGD:
        return torch.optim.SGD(
            parameters,
            lr=self.lr,
            momentum=self.momentum,
            nesterov=self.nesterov,
            **implementation,
        )
