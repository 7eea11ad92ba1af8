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
        bound = rule
        counts = [0] * len(parameters)
        updated: set[int] = set()

        def hook(index: int, state: Slots) -> Callable[[Tensor], None]:
            @torch.no_grad()
            def update(parameter: Tensor) -> None:
                counts[index] += 1
                updated.add(index)
                assert parameter.grad is not None  # the hook runs right after accumulation
                rule.step(parameter, parameter.grad, state, counts[index])

            return update

        def step() -> None:
            if len(updated) < len(parameters):
                # Backward did not reach them, but ``.grad`` is there: torch.optim updates those.
                for index, (parameter, state) in enumerate(zip(parameters, slots, strict=True)):
                    if index not in updated and parameter.grad is not None:
                        hook(index, state)(parameter)
            updated.clear()

        handles = [
            parameter.register_post_accumulate_grad_hook(hook(index, state))
            for index, (parameter, state) in enumerate(zip(parameters, slots, strict=True))
        ]

        def release() -> None:
            for handle in handles:
                handle.remove()

        def set_lr(lr: float) -> None:
            nonlocal rule
            rule = bound.with_lr(lr)

        def shown() -> list[dict[str, Tensor | int]]:
            return [{**row, "step": count} for row, count in zip(slots, counts, strict=True)]

        return Binding(step, release, set_lr, shown)
