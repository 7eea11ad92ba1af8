"""Strategies that are wrong, to be named by ``_target_``."""

from collections.abc import Sequence

import torch
from torch.nn import Parameter

from gradbench.rules.base import Rule, Slots
from gradbench.strategies.base import Binding, Strategy


class WrongSign(Strategy):
    """Adds the gradient."""

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        @torch.no_grad()
        def step() -> None:
            for parameter in parameters:
                parameter.add_(parameter.grad, alpha=rule.lr)  # type: ignore[arg-type]

        return Binding(step)


class Raises(Strategy):
    """Fails at the first step."""

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        def step() -> None:
            raise RuntimeError("no such kernel")

        return Binding(step)


class RaisesNothingSaid(Strategy):
    """Fails at the first step, without a message."""

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        def step() -> None:
            raise AssertionError

        return Binding(step)
