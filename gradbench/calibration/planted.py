"""A strategy made slower by a known amount of real work."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import Parameter

from gradbench.rules.base import Rule, Slots
from gradbench.strategies.base import Approximation, Binding, Strategy


@dataclass(frozen=True)
class Planted(Strategy):
    """A strategy that carries out its update, then a fraction of it again on scratch tensors.

    Args:
        strategy: What is made slower.
        fraction: Share of the tensors that are updated twice, at least one of them.

    Raises:
        ValueError: The fraction is not in (0, 1].
    """

    strategy: Strategy
    fraction: float

    def __post_init__(self) -> None:
        if not 0 < self.fraction <= 1:
            raise ValueError(f"fraction={self.fraction}: choose a number above 0, at most 1")

    @property
    def in_backward(self) -> bool:
        """As the strategy's."""
        return self.strategy.in_backward

    @property
    def flattens(self) -> bool:
        """As the strategy's."""
        return self.strategy.flattens

    @property
    def approximation(self) -> Approximation | None:
        """As the strategy's."""
        return self.strategy.approximation

    @property
    def copies(self) -> int:
        """As the strategy's."""
        return self.strategy.copies

    def supports(self, rule: Rule, device: torch.device, dtype: torch.dtype) -> str | None:
        """As the strategy's."""
        return self.strategy.supports(rule, device, dtype)

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        """Bind the strategy and the planted work, one step after the other."""
        real = self.strategy.bind(rule, parameters, slots)
        extra = self.bind_extra(rule, parameters, slots)

        def step() -> None:
            real.step()
            extra.step()

        def release() -> None:
            extra.release()
            real.release()

        return Binding(step, release)

    def bind_extra(
        self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]
    ) -> Binding:
        """Bind the planted work alone.

        Args:
            rule: What to carry out.
            parameters: What the scratch tensors are shaped like; not written.
            slots: Their state; not written.

        Returns:
            The strategy, bound to the scratch tensors.
        """
        again = max(1, round(self.fraction * len(parameters)))
        chosen = random.Random(0).sample(range(len(parameters)), again)
        scratch = [Parameter(torch.ones_like(parameters[i])) for i in chosen]
        state = [{k: torch.zeros_like(v) for k, v in slots[i].items()} for i in chosen]
        binding = self.strategy.bind(rule, scratch, state)
        for parameter in scratch:
            # Ones and halves stay far from subnormal numbers, on which work takes longer.
            gradient = torch.full_like(parameter, 0.5)
            if parameter.grad is None:
                parameter.grad = gradient
            else:
                parameter.grad.copy_(gradient)
        return binding
