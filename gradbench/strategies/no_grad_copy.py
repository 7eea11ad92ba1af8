"""By hand under ``torch.no_grad()`` with ``copy_``."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Count, Rule, Slots
from gradbench.strategies.base import Binding, Strategy
from gradbench.strategies.by_hand import loop
from gradbench.strategies.probe import change_refusal


class NoGradCopy(Strategy):
    """``with torch.no_grad(): p.copy_(p - lr * g)``: two temporaries and a copy."""

    def supports(self, rule: Rule, device: torch.device, dtype: torch.dtype) -> str | None:
        return change_refusal(rule)

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        return loop(_apply, rule, parameters, slots, no_grad=True)


def _apply(rule: Rule, parameter: Parameter, gradient: Tensor, state: Slots, count: Count) -> None:
    parameter.copy_(parameter + rule.change(parameter, gradient, state, count))
