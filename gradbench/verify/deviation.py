"""How far tensors are from what is expected, found out fast where they are right."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gradbench.verify.expected import excess
from gradbench.verify.ulps import ulp

_STALE = 8.0
"""Shares of a tolerance that counts for all elements together, by which one must have moved."""


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
        start: Starting values of the parameter, in the tensors' dtype.
        low: Smallest value that is right, in the tensors' dtype; none below counts as wrong.
        high: Largest one.
        together: Whether errors count together, as their norm, and the two say nothing.
    """

    value: Tensor
    tolerance: Tensor
    scale: Tensor
    start: Tensor
    low: Tensor
    high: Tensor
    together: bool = False

    @classmethod
    def of(
        cls,
        value: Tensor,
        tolerance: Tensor,
        scale: Tensor,
        start: Tensor,
        *,
        together: bool = False,
    ) -> Target:
        """Prepare a target for many comparisons."""
        below, above = (value - tolerance).to(start.dtype), (value + tolerance).to(start.dtype)
        least, most = (below.new_tensor(x) for x in (-torch.inf, torch.inf))
        low, high = torch.nextafter(below, least), torch.nextafter(above, most)
        return cls(value, tolerance, scale, start, low, high, together)

    def deviation(self, piece: Tensor, part: slice) -> Deviation:
        """Measure how far elements are off.

        Args:
            piece: Of a tensor, its last dimension as long as ``part``.
            part: Their place in the target.
        """
        value, tolerance = self.value[part], self.tolerance[part]
        far = excess(
            piece, value.expand_as(piece), tolerance.expand_as(piece), together=self.together
        )
        if self.together:  # in which one element that stays does not show
            moved = (value - self.start[part]).abs() > _STALE * tolerance
            far = torch.where((piece == self.start[part]) & moved, torch.inf, far)
        worst = int(far.argmax())
        column = worst % value.numel()
        wrong, most = far > 1, float(far.reshape(-1)[worst])
        allowed = float(tolerance[column] / ulp(self.scale[part][column], self.start.dtype))
        return Deviation(
            excess=most,
            ulps=most * allowed if most > 0 else 0.0,
            tolerance_ulps=allowed,
            outside=int(wrong.sum()),
            unwritten=int((wrong & (piece == self.start[part])).sum()),
        )
