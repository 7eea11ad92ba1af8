"""By hand with ``torch._foreach_*`` kernels."""

from collections.abc import Sequence

import torch
from torch.nn import Parameter

from gradbench.rules.base import Rule, Slots
from gradbench.strategies.base import Binding, Strategy
from gradbench.strategies.by_hand import at_once
from gradbench.strategies.probe import list_refusal


class Foreach(Strategy):
    """The rule's list step under ``torch.no_grad()``; every parameter must have a gradient."""

    def supports(self, rule: Rule, device: torch.device, dtype: torch.dtype) -> str | None:
        return list_refusal(rule)

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        return at_once(type(rule).step_list, rule, parameters, slots)
