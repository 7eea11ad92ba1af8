"""By hand with ``torch._foreach_*`` kernels."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Rule, Slots
from gradbench.strategies.base import Binding, Strategy, columns
from gradbench.strategies.probe import list_refusal


class Foreach(Strategy):
    """The rule's list step under ``torch.no_grad()``; every parameter must have a gradient."""

    def supports(self, rule: Rule, device: torch.device, dtype: torch.dtype) -> str | None:
        return list_refusal(rule)

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        written: list[Tensor] = list(parameters)
        state = columns(rule, slots)
        count = 0

        @torch.no_grad()
        def step() -> None:
            nonlocal count
            count += 1
            # A missing gradient is a TypeError of the kernel, not a silent skip.
            gradients = [parameter.grad for parameter in parameters]
            rule.step_list(written, gradients, state, count)  # type: ignore[arg-type]

        return Binding(step)
