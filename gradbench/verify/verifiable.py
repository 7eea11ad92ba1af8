"""A block's tensors with what it takes to verify one cell after another on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Rule
from gradbench.verify.conditions import PERIOD, Conditions, draw, exponents_around
from gradbench.verify.deviation import Deviation, Target
from gradbench.verify.expected import Expected
from gradbench.verify.tensors import Tensors
from gradbench.verify.truth import distances, follow, too_near

_STEP = 7919
"""Elements between where one tensor begins in the numbers and where the next one does: a prime, so
that two tensors of a model hardly begin at the same."""

_JUDGED = 8192
"""Elements on which mutants are followed: enough for every magnitude and sign."""


Key: TypeAlias = tuple[int, bool, bool, str | None]
"""Update, whether gradients add up, whether the count is in float32, and the slot, if any."""


class Verifiable:
    """A replicate's tensors, whose numbers repeat, so that a period of the truth covers them all.

    Args:
        tensors: Freshly allocated; their values and gradients are overwritten.
        rule: What is verified.
        updates: How many updates of each cell.
    """

    def __init__(self, tensors: Tensors, rule: Rule, updates: int) -> None:
        self.tensors, self.rule, self.updates = tensors, rule, updates
        self.slots, self.arriving = tensors.slots, tensors.gradients
        self.period = min(PERIOD, max(tensors.elements, 1))
        self.conditions = self._draw()
        self._start = self._twice(self.conditions.start)
        given = [gradient.to(self.dtype) for gradient in self.conditions.gradients]
        self._gradients = {
            False: [self._twice(gradient) for gradient in given],
            True: [self._twice(gradient) for gradient in accumulate(given)],
        }
        self._expected = lru_cache(maxsize=None)(self._follow)
        self._target = lru_cache(maxsize=None)(self._make_target)
        self.indistinguishable = lru_cache(maxsize=None)(self._find_indistinguishable)

    @property
    def dtype(self) -> torch.dtype:
        """Floating type of the tensors."""
        return self.tensors.values[0].dtype

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.tensors.values[0].device

    def _draw(self) -> Conditions:
        exponents = exponents_around(self.rule.lr, self.dtype)
        return draw(self.period, self.updates, self.dtype, self.device, exponents)

    def reset(self) -> None:
        """Put parameters, state and guards back to where they began."""
        for index, value in enumerate(self.tensors.values):
            self._fill(value, index, self._start)
        for row in self.slots:
            for tensor in row.values():
                tensor.zero_()
        self.tensors.mend_guards()

    def arrive(self, update: int) -> None:
        """Write an update's gradients to where they arrive.

        Args:
            update: Number of the update, from 0.
        """
        for index, gradient in enumerate(self.arriving):
            self._fill(gradient, index, self._gradients[False][update])

    def gradients_intact(
        self, parameters: Sequence[Parameter], update: int, *, accumulates: bool
    ) -> bool:
        """Say whether every gradient is bitwise what backward left.

        Args:
            parameters: Whose gradients.
            update: Number of the update, from 0.
            accumulates: Whether gradients add up from update to update.

        Returns:
            Whether they are.
        """
        numbers = self._gradients[accumulates][update]
        return all(
            parameter.grad is not None
            and parameter.grad.dtype == numbers.dtype
            and all(
                torch.equal(piece, numbers[part].expand_as(piece))
                for piece, part in self._pieces(parameter.grad, index)
            )
            for index, parameter in enumerate(parameters)
        )

    def deviation(
        self,
        tensors: Sequence[Tensor],
        update: int,
        *,
        accumulates: bool,
        float32_count: bool,
        slot: str | None = None,
    ) -> Deviation:
        """Compare all elements with what is expected after an update.

        Args:
            tensors: The parameters, or one slot of each; an empty one where a parameter has none.
            update: Number of the update, from 0.
            accumulates: Whether gradients add up from update to update.
            float32_count: Whether the tolerance is that of a step count in float32.
            slot: Name of the slot; None for the parameters.

        Returns:
            How far they are off: exact wherever one is wrong, and over a period otherwise.
        """
        key = update, accumulates, float32_count, slot
        found, looked = Deviation(), 0
        present = [(index, tensor) for index, tensor in enumerate(tensors) if tensor.numel() > 0]
        flags = [self._outside(tensor.detach(), index, key) for index, tensor in present]
        suspects = torch.stack(flags).tolist() if flags else []
        for (index, tensor), suspect in zip(present, suspects, strict=True):
            if suspect or looked < self.period:
                looked += tensor.numel()
                for piece, part, target in self._targets(tensor.detach(), index, key):
                    found = found.worse(target.deviation(piece, part))
        return found

    def _outside(self, tensor: Tensor, index: int, key: Key) -> Tensor:
        """Say whether any element of a tensor might be wrong, without waiting for the answer."""
        flags = [  # NaN equals nothing
            (piece.clamp(target.low[part], target.high[part]) == piece).all()
            for piece, part, target in self._targets(tensor, index, key)
        ]
        return ~torch.stack(flags).all()

    def _targets(
        self, tensor: Tensor, index: int, key: Key
    ) -> Iterator[tuple[Tensor, slice, Target]]:
        """Cut a tensor into pieces, each with what it must be."""
        target = self._target(*key)
        return ((piece, part, target) for piece, part in self._pieces(tensor, index))

    def _find_indistinguishable(self, float32_count: bool) -> tuple[str, ...]:
        """Name the mutants that are less than four tolerances from the rule."""
        start = self.conditions.start[:_JUDGED]
        gradients = [gradient[:_JUDGED] for gradient in self.conditions.gradients]
        return too_near(
            distances(self.rule, [(start, gradients)], self.dtype, float32_count=float32_count)
        )

    def _follow(self, accumulates: bool, float32_count: bool) -> list[Expected]:
        gradients = [numbers[: self.period].double() for numbers in self._gradients[accumulates]]
        rules, start = [self.rule] * self.updates, self.conditions.start
        return follow(rules, start, gradients, self.dtype, float32_count=float32_count)

    def _make_target(
        self, update: int, accumulates: bool, float32_count: bool, slot: str | None
    ) -> Target:
        """Prepare what is expected twice over, so that a period begins anywhere."""
        expected = self._expected(accumulates, float32_count)[update]
        value, tolerance, scale = expected.of(slot)
        value, tolerance, scale = (torch.cat([t, t]) for t in (value, tolerance, scale))
        return Target.of(value, tolerance, scale, self._start)

    def _twice(self, numbers: Tensor) -> Tensor:
        return torch.cat([numbers, numbers]).to(self.dtype)

    def _fill(self, tensor: Tensor, index: int, numbers: Tensor) -> None:
        """Write a tensor's numbers."""
        for piece, part in self._pieces(tensor, index):
            piece.copy_(numbers[part].expand_as(piece))

    def _pieces(self, tensor: Tensor, index: int) -> Iterator[tuple[Tensor, slice]]:
        """Cut a tensor into rows of a period and what is left, each with its part of the numbers.

        On the CPU each row comes alone, since a cache holds it; elsewhere all at once.
        """
        flat = tensor.reshape(-1)
        first = index * _STEP % self.period
        whole = flat.numel() // self.period * self.period
        if whole:
            rows = flat[:whole].view(-1, self.period)
            part = slice(first, first + self.period)
            yield from ((row, part) for row in (rows if flat.device.type == "cpu" else [rows]))
        if whole < flat.numel():
            yield flat[whole:], slice(first, first + flat.numel() - whole)
