"""What it takes to verify cells of a rule that is not element-wise."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import torch
from torch import Tensor

from gradbench.rules.base import Rule
from gradbench.verify.conditions import Conditions, draw_normal
from gradbench.verify.deviation import Target
from gradbench.verify.expected import Expected
from gradbench.verify.tensors import Tensors
from gradbench.verify.truth import distances, follow, too_near
from gradbench.verify.verifiable import Key, Verifiable

_JUDGED = 1 << 15
"""Most elements of a tensor on which mutants are followed."""

_MOST_JUDGED = 3
"""Shapes on which they are."""


class WholeVerifiable(Verifiable):
    """The same for a rule that is not element-wise: every tensor has a truth of its own."""

    def __init__(self, tensors: Tensors, rule: Rule, updates: int) -> None:
        super().__init__(tensors, rule, updates)
        self._own = cache(self._follow_own)
        self._own_target = cache(self._make_own_target)

    def _find_indistinguishable(self, float32_count: bool) -> tuple[str, ...]:
        judged: dict[tuple[int, ...], tuple[Tensor, list[Tensor]]] = {}
        for index, value in enumerate(self.tensors.values):
            if value.numel() <= _JUDGED:
                judged.setdefault(tuple(value.shape), self._given(index, accumulates=False))
        first = [self._given(0, accumulates=False)]
        chosen = list(judged.values())[:_MOST_JUDGED] or first
        return too_near(distances(self.rule, chosen, self.dtype))

    def _outside(self, tensor: Tensor, index: int, key: Key) -> Tensor:
        return torch.ones((), dtype=torch.bool, device=tensor.device)

    def _draw(self) -> Conditions:
        return draw_normal(self.period, self.updates, self.dtype, self.device, self.rule.lr)

    def _targets(
        self, tensor: Tensor, index: int, key: Key
    ) -> Iterator[tuple[Tensor, slice, Target]]:
        flat = tensor.reshape(-1)
        return iter([(flat, slice(0, flat.numel()), self._own_target(index, *key))])

    def _make_own_target(
        self, index: int, update: int, accumulates: bool, float32_count: bool, slot: str | None
    ) -> Target:
        expected = self._own(index, accumulates)[update]
        value, tolerance, scale = (t.reshape(-1) for t in expected.of(slot))
        start = self._given(index, accumulates=accumulates)[0].reshape(-1).to(self.dtype)
        return Target.of(value, tolerance, scale, start, together=expected.together)

    def _follow_own(self, index: int, accumulates: bool) -> list[Expected]:
        start, gradients = self._given(index, accumulates=accumulates)
        return follow([self.rule] * self.updates, start, gradients, self.dtype)

    def _given(self, index: int, *, accumulates: bool) -> tuple[Tensor, list[Tensor]]:
        """Gather a tensor's starting values and gradients, float64, in its shape."""
        like = self.tensors.values[index]

        def gathered(numbers: Tensor) -> Tensor:
            tensor = torch.empty_like(like)
            self._fill(tensor, index, numbers)
            return tensor.double()

        return gathered(self._start), [gathered(n) for n in self._gradients[accumulates]]


def verifiable(tensors: Tensors, rule: Rule, updates: int) -> Verifiable:
    """Prepare tensors for the verification of a rule.

    Args:
        tensors: Freshly allocated; their values and gradients are overwritten.
        rule: What is verified.
        updates: How many updates of each cell.

    Returns:
        The tensors, with the truth that suits the rule.
    """
    kind = Verifiable if rule.element_wise else WholeVerifiable
    return kind(tensors, rule, updates)
