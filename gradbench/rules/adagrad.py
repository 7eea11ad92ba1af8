"""Adagrad."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from gradbench.rules import kernels
from gradbench.rules.base import Count, Rule, Slots, check_nonnegative


@dataclass(frozen=True)
class Adagrad(Rule):
    """Adagrad: s ← s + g², p ← p − lr·g/(√s + ε).

    Args:
        lr: Learning rate.
        eps: ε, keeps the quotient finite; 0 where no gradient is.

    Raises:
        ValueError: An option is negative or no number.

    Source: Duchi, Hazan and Singer, Adaptive Subgradient Methods for Online Learning and Stochastic
    Optimization, 2011, figure 1, in PyTorch's form (documentation of torch.optim.Adagrad).
    """

    lr: float
    eps: float

    slots: ClassVar[tuple[str, ...]] = ("sum",)
    accesses: ClassVar[int] = 5

    def __post_init__(self) -> None:
        check_nonnegative(lr=self.lr, eps=self.eps)

    def amplified(self) -> "Adagrad":
        return replace(self, lr=0.25, eps=0.125)

    def reference(
        self, parameter: Tensor, gradient: Tensor, slots: Slots, count: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        total = slots["sum"] + gradient * gradient
        return parameter - self.lr * gradient / (total**0.5 + self.eps), {"sum": total}

    def step(self, parameter: Tensor, gradient: Tensor, slots: Slots, count: Count) -> None:
        parameter.addcdiv_(gradient, self._denominator(gradient, slots), value=-self.lr)

    def change(self, parameter: Tensor, gradient: Tensor, slots: Slots, count: Count) -> Tensor:
        denominator = self._denominator(gradient, slots)
        return torch.div(gradient, denominator, out=denominator).mul_(-self.lr)

    def _denominator(self, gradient: Tensor, slots: Slots) -> Tensor:
        """Advance the sum; return √s + ε in fresh memory."""
        return slots["sum"].addcmul_(gradient, gradient).sqrt().add_(self.eps)

    def step_list(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        slots: Mapping[str, list[Tensor]],
        count: Count,
    ) -> None:
        torch._foreach_addcmul_(slots["sum"], gradients, gradients)
        denominators = torch._foreach_sqrt(slots["sum"])
        torch._foreach_add_(denominators, self.eps)
        torch._foreach_addcdiv_(parameters, gradients, denominators, -self.lr)

    def step_fused(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        slots: Mapping[str, list[Tensor]],
        counts: list[Tensor],
    ) -> None:
        kernels.adagrad(parameters, gradients, slots["sum"], counts, lr=self.lr, eps=self.eps)

    def optimizer(self, parameters: Sequence[Tensor], **implementation: Any) -> torch.optim.Adagrad:
        return torch.optim.Adagrad(parameters, lr=self.lr, eps=self.eps, **implementation)
