"""A block's tensors with what it takes to verify one cell after another on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Rule
from gradbench.verify.conditions import PERIOD, draw, exponents_around
from gradbench.verify.tensors import Tensors
from gradbench.verify.truth import Expected, distances, excess, follow, too_near
from gradbench.verify.ulps import ulp

_STEP = 7919
"""Elements between where one tensor begins in the numbers and where the next one does: a prime, so
that two tensors of a model hardly begin at the same."""

_JUDGED = 8192
"""Elements on which mutants are followed: enough for every magnitude and sign."""


@dataclass(frozen=True)
class Deviation:
    """How far tensors are from what is expected, at the element that is farthest.

    Args:
        excess: The error in tolerances; above 1 it is wrong.
        ulps: The error in ulps of the largest magnitude that went into the element.
        tolerance_ulps: The tolerance there, in the same ulps.
        outside: Elements that are wrong.
        unwritten: How many of them are what they were at the start.
    """

    excess: float = 0.0
    ulps: float = 0.0
    tolerance_ulps: float = 0.0
    outside: int = 0
    unwritten: int = 0

    def worse(self, other: Deviation) -> Deviation:
        """Join two: the farther one, with the elements of both."""
        far = self if self.excess >= other.excess else other
        outside = self.outside + other.outside
        unwritten = self.unwritten + other.unwritten
        return Deviation(far.excess, far.ulps, far.tolerance_ulps, outside, unwritten)


@dataclass(frozen=True)
class Target:
    """What one tensor's elements must be, over a period of the numbers.

    Args:
        value: Float64.
        tolerance: How far from it they may be.
        scale: Magnitude that sets the ulp.
        low: Smallest value that is right, in the tensors' dtype; none below counts as wrong.
        high: Largest one.
    """

    value: Tensor
    tolerance: Tensor
    scale: Tensor
    low: Tensor
    high: Tensor

    @classmethod
    def of(cls, value: Tensor, tolerance: Tensor, scale: Tensor, dtype: torch.dtype) -> Target:
        """Prepare a target for many comparisons: twice over, so that any start has a period."""
        value, tolerance, scale = (torch.cat([t, t]) for t in (value, tolerance, scale))
        below, above = (value - tolerance).to(dtype), (value + tolerance).to(dtype)
        least, most = (below.new_tensor(x) for x in (-torch.inf, torch.inf))
        low, high = torch.nextafter(below, least), torch.nextafter(above, most)
        return cls(value, tolerance, scale, low, high)


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
        lr = exponents_around(rule.lr, self.dtype)
        self.conditions = draw(self.period, updates, self.dtype, self.device, lr)
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
        parameters: Sequence[Tensor],
        update: int,
        *,
        accumulates: bool,
        float32_count: bool,
        slot: str | None = None,
    ) -> Deviation:
        """Compare all elements with what is expected after an update.

        Args:
            parameters: Tensors shaped like the parameters, or one slot of each.
            update: Number of the update, from 0.
            accumulates: Whether gradients add up from update to update.
            float32_count: Whether the tolerance is that of a step count in float32.
            slot: Name of the slot; None for the parameters.

        Returns:
            How far they are off: exact wherever one is wrong, and over a period otherwise.
        """
        target = self._target(update, accumulates, float32_count, slot)
        found, looked = Deviation(), 0
        flags = [
            torch.stack(
                [
                    ((piece < target.low[part]) | (piece > target.high[part]) | piece.isnan()).any()
                    for piece, part in self._pieces(tensor.detach(), index)
                ]
            ).any()
            for index, tensor in enumerate(parameters)
            if tensor.numel() > 0
        ]
        suspects = iter(torch.stack(flags).tolist() if flags else [])
        for index, tensor in enumerate(parameters):
            if tensor.numel() == 0:
                continue
            if next(suspects) or looked < self.period:
                looked += tensor.numel()
                for piece, part in self._pieces(tensor.detach(), index):
                    found = found.worse(self._exactly(piece, part, target))
        return found

    def _exactly(self, piece: Tensor, part: slice, target: Target) -> Deviation:
        value, tolerance = target.value[part], target.tolerance[part]
        far = excess(piece, value.expand_as(piece), tolerance.expand_as(piece))
        worst = int(far.argmax())
        column = worst % value.numel()
        unit = float(ulp(target.scale[part][column], self.dtype))
        wrong = far > 1
        error = float((piece.reshape(-1)[worst].double() - value[column]).abs())
        return Deviation(
            excess=float(far.reshape(-1)[worst]),
            ulps=error / unit if error == error else torch.inf,
            tolerance_ulps=float(tolerance[column]) / unit,
            outside=int(wrong.sum()),
            unwritten=int((wrong & (piece == self._start[part])).sum()),
        )

    def _find_indistinguishable(self, float32_count: bool) -> tuple[str, ...]:
        """Name the mutants that are less than four tolerances from the rule."""
        start = self.conditions.start[:_JUDGED]
        gradients = [gradient[:_JUDGED] for gradient in self.conditions.gradients]
        rules = [self.rule] * self.updates
        expected = follow(rules, start, gradients, self.dtype, float32_count=float32_count)
        return too_near(distances(self.rule, start, gradients, expected))

    def _follow(self, accumulates: bool, float32_count: bool) -> list[Expected]:
        gradients = [numbers[: self.period].double() for numbers in self._gradients[accumulates]]
        rules = [self.rule] * self.updates
        start = self.conditions.start
        return follow(rules, start, gradients, self.dtype, float32_count=float32_count)

    def _make_target(
        self, update: int, accumulates: bool, float32_count: bool, slot: str | None
    ) -> Target:
        expected = self._expected(accumulates, float32_count)[update]
        if slot is None:
            return Target.of(expected.value, expected.tolerance, expected.scale, self.dtype)
        value, tolerance = expected.state[slot]
        return Target.of(value, tolerance, value.abs(), self.dtype)

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
