"""Adam, and AdamW."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.optim import Optimizer

from gradbench.rules import kernels
from gradbench.rules.base import (
    Count,
    Reference,
    Rule,
    Slots,
    check_fraction,
    check_nonnegative,
)


@dataclass(frozen=True)
class Adam(Rule):
    """Adam: m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², p ← p − lr·m̂/(√v̂ + ε).

    With the bias corrections m̂ = m/(1−β₁ᵗ) and v̂ = v/(1−β₂ᵗ). The steps use the paper's
    "efficient order": p ← p − lrₜ·m/(√v + ε√(1−β₂ᵗ)) with lrₜ = lr·√(1−β₂ᵗ)/(1−β₁ᵗ), the same
    number with a pass over memory less. With a weight decay it is AdamW: p ← (1 − lr·λ)·p, then
    Adam's update.

    Args:
        lr: Learning rate.
        beta1: Decay β₁ of the first moment, in [0, 1).
        beta2: Decay β₂ of the second moment, in [0, 1).
        eps: ε, keeps the quotient finite; 0 where no gradient is.
        weight_decay: λ of AdamW, 0 or more; None for Adam.

    Raises:
        ValueError: An option lies outside its bounds.

    Source: Kingma and Ba, Adam: A Method for Stochastic Optimization, 2015, algorithm 1 and the
    end of section 2; Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019,
    algorithm 2.
    """

    lr: float
    beta1: float
    beta2: float
    eps: float
    weight_decay: float | None = None

    slots: ClassVar[tuple[str, ...]] = ("exp_avg", "exp_avg_sq")
    accesses: ClassVar[int] = 7

    def __post_init__(self) -> None:
        check_nonnegative(lr=self.lr, eps=self.eps)
        check_fraction(beta1=self.beta1, beta2=self.beta2)
        if self.weight_decay is not None:
            check_nonnegative(weight_decay=self.weight_decay)

    def amplified(self) -> "Adam":
        decay = None if self.weight_decay is None else 1.0
        return replace(self, lr=0.25, beta1=0.75, beta2=0.5, eps=0.125, weight_decay=decay)

    def mutants(self) -> dict[str, Reference]:
        return {
            "bias correction of exp_avg left out": partial(self._mutant, corrects=(False, True)),
            "bias correction of exp_avg_sq left out": partial(self._mutant, corrects=(True, False)),
            "eps inside the root": partial(self._mutant, eps_inside=True),
        }

    def _mutant(
        self,
        parameter: Tensor,
        gradient: Tensor,
        slots: Slots,
        count: int,
        *,
        corrects: tuple[bool, bool] = (True, True),
        eps_inside: bool = False,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute an update with one mistake."""
        m = self.beta1 * slots["exp_avg"] + (1 - self.beta1) * gradient
        v = self.beta2 * slots["exp_avg_sq"] + (1 - self.beta2) * gradient * gradient
        m_hat = m / (1 - self.beta1**count) if corrects[0] else m
        v_hat = v / (1 - self.beta2**count) if corrects[1] else v
        root = (v_hat + self.eps) ** 0.5 if eps_inside else v_hat**0.5 + self.eps
        value = (1 - self._decay) * parameter - self.lr * m_hat / root
        return value, {"exp_avg": m, "exp_avg_sq": v}

    def reference(
        self, parameter: Tensor, gradient: Tensor, slots: Slots, count: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        m = self.beta1 * slots["exp_avg"] + (1 - self.beta1) * gradient
        v = self.beta2 * slots["exp_avg_sq"] + (1 - self.beta2) * gradient * gradient
        m_hat = m / (1 - self.beta1**count)
        v_hat = v / (1 - self.beta2**count)
        update = self.lr * m_hat / (v_hat**0.5 + self.eps)
        return (1 - self._decay) * parameter - update, {"exp_avg": m, "exp_avg_sq": v}

    def step(self, parameter: Tensor, gradient: Tensor, slots: Slots, count: Count) -> None:
        if self._decay:
            parameter.mul_(1 - self._decay)
        m, denominator, lr = self._quotient(gradient, slots, count)
        if isinstance(lr, Tensor):  # addcdiv_ takes only a host number as its value
            parameter.addcdiv_(m, denominator.div_(-lr))
        else:
            parameter.addcdiv_(m, denominator, value=-lr)

    def change(self, parameter: Tensor, gradient: Tensor, slots: Slots, count: Count) -> Tensor:
        m, denominator, lr = self._quotient(gradient, slots, count)
        change = torch.div(m, denominator, out=denominator).mul_(-lr)
        return change.sub_(parameter, alpha=self._decay) if self._decay else change

    def _quotient(
        self, gradient: Tensor, slots: Slots, count: Count
    ) -> tuple[Tensor, Tensor, float | Tensor]:
        """Advance the moments; return m, √v + ε√(1−β₂ᵗ) in fresh memory, and lrₜ."""
        m, v = slots["exp_avg"], slots["exp_avg_sq"]
        m.lerp_(gradient, 1 - self.beta1)
        v.mul_(self.beta2).addcmul_(gradient, gradient, value=1 - self.beta2)
        root, lr = self._corrections(count)
        return m, v.sqrt().add_(self.eps * root), lr

    def step_list(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        slots: Mapping[str, list[Tensor]],
        count: Count,
    ) -> None:
        if self._decay:
            torch._foreach_mul_(parameters, 1 - self._decay)
        m, v = slots["exp_avg"], slots["exp_avg_sq"]
        torch._foreach_lerp_(m, gradients, 1 - self.beta1)
        torch._foreach_mul_(v, self.beta2)
        torch._foreach_addcmul_(v, gradients, gradients, 1 - self.beta2)
        root, lr = self._corrections(count)
        eps, denominators = self.eps * root, torch._foreach_sqrt(v)
        if isinstance(lr, Tensor) and isinstance(eps, Tensor):
            # CUDA updates the list with one kernel only where the number has the list's dtype.
            dtype = parameters[0].dtype
            torch._foreach_add_(denominators, eps.to(dtype), alpha=1)  # without alpha: eps.item()
            torch._foreach_div_(denominators, -lr.to(dtype))
            torch._foreach_addcdiv_(parameters, m, denominators)
        else:
            torch._foreach_add_(denominators, eps)
            torch._foreach_addcdiv_(parameters, m, denominators, -lr)

    @property
    def _decay(self) -> float:
        """Part of a parameter that an update takes away, lr·λ; 0 for Adam."""
        return self.lr * (self.weight_decay or 0.0)

    def _corrections(self, count: Count) -> tuple[float | Tensor, float | Tensor]:
        """Return √(1−β₂ᵗ) and lrₜ."""
        root = _one_minus_power(self.beta2, count) ** 0.5
        return root, self.lr * root / _one_minus_power(self.beta1, count)

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
            lr=self.lr,
            beta1=self.beta1,
            beta2=self.beta2,
            eps=self.eps,
            weight_decay=self.weight_decay,
        )

    def optimizer(self, parameters: Sequence[Tensor], **implementation: Any) -> Optimizer:
        options: dict[str, Any] = {"lr": self.lr, "eps": self.eps, **implementation}
        betas = self.beta1, self.beta2
        if self.weight_decay is None:
            return torch.optim.Adam(parameters, betas=betas, **options)
        return torch.optim.AdamW(parameters, betas=betas, weight_decay=self.weight_decay, **options)


def _one_minus_power(beta: float, count: Count) -> float | Tensor:
    """Compute 1 − βᵗ; in float32 it keeps no digits near 0, where −expm1(t·ln β) keeps all."""
    if isinstance(count, Tensor):
        return -torch.expm1(count * (math.log(beta) if beta > 0 else -math.inf))
    return float(1 - beta**count)
