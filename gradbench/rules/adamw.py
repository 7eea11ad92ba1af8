"""Adam with decoupled weight decay."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from gradbench.rules import kernels
from gradbench.rules.adam import Adam
from gradbench.rules.base import Count, Rule, Slots, check_positive


@dataclass(frozen=True)
class AdamW(Rule):
    """Adam with decoupled weight decay: p ← (1 − lr·λ)·p, then Adam's update.

    Args:
        lr: Learning rate.
        beta1: Decay β₁ of the first moment, in [0, 1).
        beta2: Decay β₂ of the second moment, in [0, 1).
        eps: ε, keeps the quotient finite.
        weight_decay: λ.

    Raises:
        ValueError: An option lies outside its bounds.

    Source: Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019, algorithm 2.
    """

    lr: float
    beta1: float
    beta2: float
    eps: float
    weight_decay: float

    slots: ClassVar[tuple[str, ...]] = Adam.slots
    accesses: ClassVar[int] = Adam.accesses
    roundings: ClassVar[int] = Adam.roundings + 2

    def __post_init__(self) -> None:
        check_positive(weight_decay=self.weight_decay)
        _ = self.adam

    @cached_property
    def adam(self) -> Adam:
        """The update without its weight decay."""
        return Adam(self.lr, self.beta1, self.beta2, self.eps)

    @property
    def conditioning(self) -> float:
        return self.adam.conditioning

    def reference(
        self, parameter: Tensor, gradient: Tensor, slots: Slots, count: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        decayed = parameter - self.lr * self.weight_decay * parameter
        return self.adam.reference(decayed, gradient, slots, count)

    def step(self, parameter: Tensor, gradient: Tensor, slots: Slots, count: Count) -> None:
        parameter.mul_(1 - self.lr * self.weight_decay)
        self.adam.step(parameter, gradient, slots, count)

    def change(self, parameter: Tensor, gradient: Tensor, slots: Slots, count: Count) -> Tensor:
        change = self.adam.change(parameter, gradient, slots, count)
        return change.sub_(parameter, alpha=self.lr * self.weight_decay)

    def step_list(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        slots: Mapping[str, list[Tensor]],
        count: Count,
    ) -> None:
        torch._foreach_mul_(parameters, 1 - self.lr * self.weight_decay)
        self.adam.step_list(parameters, gradients, slots, count)

    def step_fused(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        slots: Mapping[str, list[Tensor]],
        counts: list[Tensor],
    ) -> None:
        kernels.adam(
            parameters,
            gradients,
            slots,
            counts,
            decoupled=True,
            lr=self.lr,
            beta1=self.beta1,
            beta2=self.beta2,
            eps=self.eps,
            weight_decay=self.weight_decay,
        )

    def optimizer(self, parameters: Sequence[Tensor], **implementation: Any) -> torch.optim.AdamW:
        return torch.optim.AdamW(
            parameters,
            lr=self.lr,
            betas=(self.beta1, self.beta2),
            eps=self.eps,
            weight_decay=self.weight_decay,
            **implementation,
        )
