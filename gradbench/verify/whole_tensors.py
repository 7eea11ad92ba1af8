"""Whole tensors against the float64 reference, for rules that are not element-wise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradbench.rules.base import Rule

_MARGIN = 4.0
"""Between the reference in the type that the rule computes in and the tolerance."""


@dataclass(frozen=True)
class WholeTruth:
    """What a tensor must change by, and how far off a right strategy may be.

    Args:
        change: Of all updates together, float64.
        tolerance: Largest ‖error‖ / ‖change‖ in Frobenius's norm.
        dtype: The type in whose ε errors are told.
    """

    change: Tensor
    tolerance: float
    dtype: torch.dtype

    def error(self, change: Tensor) -> float:
        """Measure a change.

        Args:
            change: What a strategy did, float64.

        Returns:
            Its error over the tolerance; infinite where it is not finite.
        """
        size = self.change.norm() * self.tolerance
        found = float((change - self.change).norm() / size)
        return found if found == found else float("inf")

    def unwritten(self, changed: Tensor) -> int:
        """Count elements that stayed although they must move by more than the tolerance.

        Args:
            changed: Whether each element has another value than before.

        Returns:
            Their number.
        """
        least = self.tolerance * self.change.square().mean().sqrt()
        return int((~changed & (self.change.abs() > least)).sum())


def follow_whole(rule: Rule, parameter: Tensor, gradients: Sequence[Tensor]) -> WholeTruth:
    """Take one update per gradient in float64, and in the type in which the rule computes.

    The difference of the two is what rounding makes of the change. The parameter's own rounding
    comes once for each update on top.

    Args:
        rule: Whose reference to follow, from zero state.
        parameter: Starting values, in the type of the strategies.
        gradients: The gradient of each update, shape of ``parameter``.

    Returns:
        The truth.
    """
    inner = rule.inner_dtype_of(parameter.shape) or parameter.dtype
    start = parameter.double()
    exact = _follow(rule, start, gradients, torch.float64) - start
    rounded = _follow(rule, start, gradients, inner) - start
    size = float(exact.norm())
    relative = max(float((rounded - exact).norm()) / size, torch.finfo(inner).eps)
    stored = torch.finfo(parameter.dtype).eps * float(start.norm()) / size
    return WholeTruth(exact, _MARGIN * relative + len(gradients) * stored, inner)


def _follow(rule: Rule, value: Tensor, gradients: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    """Follow the reference with gradients and state in a type; the parameter stays float64."""
    slots = {n: torch.zeros_like(value, dtype=dtype) for n in rule.slots_of(value.shape)}
    for count, gradient in enumerate(gradients, start=1):
        value, slots = rule.reference(value, gradient.to(dtype), slots, count)
    return value
