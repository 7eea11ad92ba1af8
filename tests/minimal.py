"""As little as a rule can offer, to be named by ``_target_``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Count, Rule, Slots
from gradbench.strategies.base import Binding, Strategy
from gradbench.strategies.by_hand import loop


@dataclass(frozen=True)
class Minimal(Rule):
    """Gradient descent with nothing but what every rule has."""

    lr: float

    slots: ClassVar[tuple[str, ...]] = ()
    accesses: ClassVar[int] = 3

    def reference(
        self, parameter: Tensor, gradient: Tensor, slots: Slots, count: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        return parameter - self.lr * gradient, {}

    def step(self, parameter: Tensor, gradient: Tensor, slots: Slots, count: Count) -> None:
        parameter.sub_(gradient, alpha=self.lr)


class Unasked(Strategy):
    """Needs the change out of place, and does not ask beforehand whether the rule has it."""

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        def apply(
            rule: Rule, parameter: Parameter, gradient: Tensor, state: Slots, count: Count
        ) -> None:
            parameter.add_(rule.change(parameter, gradient, state, count))

        return loop(apply, rule, parameters, slots, no_grad=True)
