"""By hand under ``torch.no_grad()``, in place."""

from collections.abc import Sequence

from torch.nn import Parameter

from gradbench.rules.base import Rule, Slots
from gradbench.strategies.base import Binding, Strategy
from gradbench.strategies.by_hand import loop


class NoGrad(Strategy):
    """``with torch.no_grad(): p.sub_(g, alpha=lr)`` and the like, in place on ``p``."""

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        return loop(type(rule).step, rule, parameters, slots, no_grad=True)
