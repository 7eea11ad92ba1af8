"""By hand: a new tensor bound to ``p.data``."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Count, Rule, Slots
from gradbench.strategies.base import Binding, Strategy
from gradbench.strategies.by_hand import loop
from gradbench.strategies.probe import change_refusal


class DataRebind(Strategy):
    """``p.data = p.data - lr * g``: the parameter keeps its identity and loses its storage."""

    def supports(self, rule: Rule, device: torch.device, dtype: torch.dtype) -> str | None:
        return change_refusal(rule)

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        storages = [parameter.data for parameter in parameters]

        def release() -> None:
            for parameter, storage in zip(parameters, storages, strict=True):
                parameter.data = storage

        return loop(_apply, rule, parameters, slots, release=release)


def _apply(rule: Rule, parameter: Parameter, gradient: Tensor, state: Slots, count: Count) -> None:
    value = parameter.data
    parameter.data = value + rule.change(value, gradient, state, count)
