"""RMSprop."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from gradbench.rules.base import Count, Rule, Slots, check_fraction, check_nonnegative


@dataclass(frozen=True)
class RmsProp(Rule):
    """RMSprop: v ← αv + (1−α)g², p ← p − lr·g/(√v + ε).

    Args:
        lr: Learning rate.
        alpha: Decay α of the mean square, in [0, 1).
        eps: ε, keeps the quotient finite; 0 where no gradient is.

    Raises:
        ValueError: An option lies outside its bounds.

    Source: Tieleman and Hinton, Lecture 6.5, Neural Networks for Machine Learning, Coursera, 2012,
    in PyTorch's form (documentation of torch.optim.RMSprop): ε is added to the root.
    """

    lr: float
    alpha: float
    eps: float

    slots: ClassVar[tuple[str, ...]] = ("square_avg",)
    accesses: ClassVar[int] = 5

    def __post_init__(self) -> None:
        check_nonnegative(lr=self.lr, eps=self.eps)
        check_fraction(alpha=self.alpha)

    def amplified(self) -> "RmsProp":
        return replace(self, lr=0.25, alpha=0.25, eps=0.125)

    def reference(
        self, parameter: Tensor, gradient: Tensor, slots: Slots, count: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        v = self.alpha * slots["square_avg"] + (1 - self.alpha) * gradient * gradient
        return parameter - self.lr * gradient / (v**0.5 + self.eps), {"square_avg": v}

    def step(self, parameter: Tensor, gradient: Tensor, slots: Slots, count: Count) -> None:
        parameter.addcdiv_(gradient, self._denominator(gradient, slots), value=-self.lr)

    def change(self, parameter: Tensor, gradient: Tensor, slots: Slots, count: Count) -> Tensor:
        denominator = self._denominator(gradient, slots)
        return torch.div(gradient, denominator, out=denominator).mul_(-self.lr)

    def _denominator(self, gradient: Tensor, slots: Slots) -> Tensor:
        """Advance the mean square; return √v + ε in fresh memory."""
        v = slots["square_avg"].mul_(self.alpha)
        return v.addcmul_(gradient, gradient, value=1 - self.alpha).sqrt().add_(self.eps)

    def step_list(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        slots: Mapping[str, list[Tensor]],
        count: Count,
    ) -> None:
        v = slots["square_avg"]
        torch._foreach_mul_(v, self.alpha)
        torch._foreach_addcmul_(v, gradients, gradients, 1 - self.alpha)
        denominators = torch._foreach_sqrt(v)
        torch._foreach_add_(denominators, self.eps)
        torch._foreach_addcdiv_(parameters, gradients, denominators, -self.lr)

    def optimizer(self, parameters: Sequence[Tensor], **implementation: Any) -> torch.optim.RMSprop:
        return torch.optim.RMSprop(
            parameters, lr=self.lr, alpha=self.alpha, eps=self.eps, **implementation
        )
