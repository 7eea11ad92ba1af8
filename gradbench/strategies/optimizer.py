"""``optimizer.step()`` of torch.optim, in each of its implementations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Rule, Slots, Unavailable
from gradbench.strategies.base import Binding, Strategy
from gradbench.strategies.probe import optimizer_refusal
from gradbench.strategies.state import optimizer_state, start_state


@dataclass(frozen=True)
class Optimizer(Strategy):
    """``optimizer.step()``; what is None is left to PyTorch.

    Args:
        foreach: Whether to use the foreach implementation; False with the others None is the
            for-loop.
        fused: Whether to use the fused implementation.
        capturable: Whether the step count lives on the device, so that a CUDA graph can capture
            the step.

    Source: documentation of torch.optim, "Algorithms".
    """

    foreach: bool | None = None
    fused: bool | None = None
    capturable: bool | None = None

    @property
    def implementation(self) -> dict[str, bool]:
        """The keywords given to torch.optim."""
        options = {"foreach": self.foreach, "fused": self.fused, "capturable": self.capturable}
        return {name: value for name, value in options.items() if value is not None}

    def supports(self, rule: Rule, device: torch.device, dtype: torch.dtype) -> str | None:
        if self.capturable and device.type != "cuda":
            return f"capturable=True needs CUDA, the device is {device.type}"
        return optimizer_refusal(rule, device, dtype, self.implementation)

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        if self.fused and not all(map(_is_dense, parameters)):
            # The CPU's kernel writes beside such a parameter, without a word.
            raise Unavailable("fused kernels take memory without gaps, and a parameter has some")
        optimizer = rule.optimizer(parameters, **self.implementation)
        on_device = bool(self.fused or self.capturable)
        # The moments every strategy of the block uses, at zero as torch.optim would start its own.
        start_state(optimizer, parameters, slots, count_on_device=on_device)
        step: Any = optimizer.step
        rates = [group["lr"] for group in optimizer.param_groups]

        def set_lr(lr: float) -> None:
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = lr * (rate / rates[0]) if rates[0] else lr  # as a schedule does

        return Binding(
            step, set_lr=set_lr, state=lambda: optimizer_state(rule, optimizer, parameters)
        )


def _is_dense(tensor: Tensor) -> bool:
    """Say whether a tensor's elements fill their memory, in whatever order: a copy keeps that."""
    return tensor.is_contiguous() or torch.empty_like(tensor, device="meta").stride() == (
        tensor.stride()
    )
