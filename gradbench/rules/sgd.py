"""Stochastic gradient descent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from gradbench.rules import kernels
from gradbench.rules.base import Count, Rule, Slots, check_nonnegative


@dataclass(frozen=True)
class Sgd(Rule):
    """Gradient descent: p ← p − lr·g.

    Args:
        lr: Learning rate.

    Raises:
        ValueError: ``lr`` is negative or no number.

    Source: Robbins and Monro, A Stochastic Approximation Method, 1951.
    """

    lr: float

    slots: ClassVar[tuple[str, ...]] = ()
    accesses: ClassVar[int] = 3

    def __post_init__(self) -> None:
        check_nonnegative(lr=self.lr)

    def amplified(self) -> "Sgd":
        return replace(self, lr=0.25)

    def reference(
        self, parameter: Tensor, gradient: Tensor, slots: Slots, count: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        return parameter - self.lr * gradient, {}

    def step(self, parameter: Tensor, gradient: Tensor, slots: Slots, count: Count) -> None:
        parameter.sub_(gradient, alpha=self.lr)

    def change(self, parameter: Tensor, gradient: Tensor, slots: Slots, count: Count) -> Tensor:
        return gradient * -self.lr

    def step_list(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        slots: Mapping[str, list[Tensor]],
        count: Count,
    ) -> None:
        torch._foreach_sub_(parameters, gradients, alpha=self.lr)

    def step_fused(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        slots: Mapping[str, list[Tensor]],
        counts: list[Tensor],
    ) -> None:
        kernels.sgd(parameters, gradients, [], lr=self.lr)

    def optimizer(self, parameters: Sequence[Tensor], **implementation: Any) -> torch.optim.SGD:
        return torch.optim.SGD(parameters, lr=self.lr, **implementation)
