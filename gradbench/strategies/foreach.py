"""By hand with ``torch._foreach_*`` kernels."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Rule, Slots
from gradbench.strategies.base import Binding, Strategy, columns
from gradbench.strategies.gathering import all_gradients
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
            gradients = all_gradients(parameters)
            count += 1
            rule.step_list(written, gradients, state, count)

        def set_lr(lr: float) -> None:
            nonlocal rule
            rule = rule.with_lr(lr)

        def shown() -> list[dict[str, Tensor | int]]:
            return [{**row, "step": count} for row in slots]

        return Binding(step, set_lr=set_lr, state=shown)
