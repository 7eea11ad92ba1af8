"""In a post-accumulate-grad hook."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Rule, Slots
from gradbench.strategies.base import Binding, Strategy


class InBackward(Strategy):
    """Update each parameter as soon as backward has accumulated its gradient.

    Source: tutorial "How to save memory by fusing the optimizer step into the backward pass".
    """

    @property
    def in_backward(self) -> bool:
        return True

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        handles = [
            parameter.register_post_accumulate_grad_hook(_hook(rule, state))
            for parameter, state in zip(parameters, slots, strict=True)
        ]

        def release() -> None:
            for handle in handles:
                handle.remove()

        return Binding(lambda: None, release)


def _hook(rule: Rule, state: Slots) -> Callable[[Tensor], None]:
    count = 0

    @torch.no_grad()
    def update(parameter: Tensor) -> None:
        nonlocal count
        count += 1
        assert parameter.grad is not None  # the hook runs right after accumulation
        rule.step(parameter, parameter.grad, state, count)

    return update
