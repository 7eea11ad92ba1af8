"""By hand through ``p.data``, in place."""

from collections.abc import Sequence

from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Count, Rule, Slots
from gradbench.strategies.base import Binding, Strategy
from gradbench.strategies.by_hand import loop


class Data(Strategy):
    """``p.data.sub_(g, alpha=lr)``: in place, hidden from autograd's version counter."""

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        return loop(_apply, rule, parameters, slots)


def _apply(rule: Rule, parameter: Parameter, gradient: Tensor, state: Slots, count: Count) -> None:
    rule.step(parameter.data, gradient, state, count)
