"""Lion."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from gradbench.rules.base import Count, Rule, Slots, check_fraction, check_nonnegative


@dataclass(frozen=True)
class Lion(Rule):
    """Lion: c = β₁m + (1−β₁)g, p ← p − lr·(sign(c) + λp), m ← β₂m + (1−β₂)g.

    The sign of a c near zero is ill-conditioned: rounding may turn it, and two right steps then
    part by 2·lr.

    Args:
        lr: Learning rate.
        beta1: Weight β₁ of the mean in what is stepped along, in [0, 1).
        beta2: Decay β₂ of the mean, in [0, 1).
        weight_decay: λ, 0 or more.

    Raises:
        ValueError: An option lies outside its bounds.

    Source: Chen et al., Symbolic Discovery of Optimization Algorithms, 2023, algorithm 2.
    """

    lr: float
    beta1: float
    beta2: float
    weight_decay: float

    slots: ClassVar[tuple[str, ...]] = ("exp_avg",)
    accesses: ClassVar[int] = 5

    def __post_init__(self) -> None:
        check_nonnegative(lr=self.lr, weight_decay=self.weight_decay)
        check_fraction(beta1=self.beta1, beta2=self.beta2)

    def amplified(self) -> "Lion":
        return replace(self, lr=0.25, beta1=0.5, beta2=0.25, weight_decay=1.0)

    def reference(
        self, parameter: Tensor, gradient: Tensor, slots: Slots, count: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        c = self.beta1 * slots["exp_avg"] + (1 - self.beta1) * gradient
        m = self.beta2 * slots["exp_avg"] + (1 - self.beta2) * gradient
        change = -self.lr * (c.sign() + self.weight_decay * parameter)
        return parameter + change, {"exp_avg": m}

    def step(self, parameter: Tensor, gradient: Tensor, slots: Slots, count: Count) -> None:
        sign = self._sign(gradient, slots)
        parameter.mul_(1 - self.lr * self.weight_decay).sub_(sign, alpha=self.lr)

    def change(self, parameter: Tensor, gradient: Tensor, slots: Slots, count: Count) -> Tensor:
        sign = self._sign(gradient, slots)
        return sign.mul_(-self.lr).sub_(parameter, alpha=self.lr * self.weight_decay)

    def _sign(self, gradient: Tensor, slots: Slots) -> Tensor:
        """Advance the mean; return sign(c) in fresh memory."""
        m = slots["exp_avg"]
        sign = m.lerp(gradient, 1 - self.beta1).sign_()
        m.lerp_(gradient, 1 - self.beta2)
        return sign

    def step_list(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        slots: Mapping[str, list[Tensor]],
        count: Count,
    ) -> None:
        m = slots["exp_avg"]
        signs = torch._foreach_lerp(m, gradients, 1 - self.beta1)
        torch._foreach_sign_(signs)
        torch._foreach_lerp_(m, gradients, 1 - self.beta2)
        torch._foreach_mul_(parameters, 1 - self.lr * self.weight_decay)
        torch._foreach_sub_(parameters, signs, alpha=self.lr)
