"""By hand, tensors of one shape stacked into one computation."""

from collections.abc import Sequence

import torch
from torch.nn import Parameter

from gradbench.rules.base import Rule, Slots
from gradbench.strategies.base import Binding, Strategy
from gradbench.strategies.by_hand import at_once
from gradbench.strategies.probe import batched_refusal


class Batched(Strategy):
    """The rule's batched step under ``torch.no_grad()``; every parameter must have a gradient.

    A model has many matrices and few shapes: one batched product of a shape's matrices instead of
    one product for each.
    """

    def supports(self, rule: Rule, device: torch.device, dtype: torch.dtype) -> str | None:
        return batched_refusal(rule)

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        return at_once(type(rule).step_batched, rule, parameters, slots)
