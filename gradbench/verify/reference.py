"""The float64 truth of what a cell must do, and how far from it a right cell may be."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gradbench.rules.base import Rule


def follow(rule: Rule, parameter: Tensor, gradients: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Take one update per gradient in float64.

    Args:
        rule: Whose reference to follow, from zero state.
        parameter: Starting values, any shape; converted to float64.
        gradients: The gradient of each update, shape of ``parameter``.

    Returns:
        The values after the last update, and for each element the largest magnitude that went
        into it: max over updates of |p| and of Σ|Δp|. Both float64, shape of ``parameter``.
    """
    value = parameter.double()
    slots = {name: torch.zeros_like(value) for name in rule.slots}
    scale, travelled = value.abs(), torch.zeros_like(value)
    for count, gradient in enumerate(gradients, start=1):
        following, slots = rule.reference(value, gradient.double(), slots, count)
        travelled = travelled + (following - value).abs()
        value = following
        scale = torch.maximum(scale, torch.maximum(value.abs(), travelled))
    return value, scale


def ulp_error(actual: Tensor, expected: Tensor, scale: Tensor, dtype: torch.dtype) -> float:
    """Measure the largest error in units in the last place.

    |actual − expected| / ulp(scale), with ulp(s) = ε·2^⌊log₂ s⌋ and no smaller than at the
    smallest normal number. The scale, not the result, sets the unit: a result near zero is the
    difference of numbers that are not.

    Args:
        actual: What a strategy computed, any floating dtype.
        expected: Reference, float64, shape of ``actual``.
        scale: Magnitude that went into each element, float64.
        dtype: The floating type whose unit counts.

    Returns:
        The largest error in ulps; infinite where ``actual`` is not finite.
    """
    if actual.numel() == 0:
        return 0.0
    limits = torch.finfo(dtype)
    exponent = torch.floor(torch.log2(scale.clamp_min(limits.tiny)))
    error = (actual.double() - expected).abs() / (limits.eps * torch.exp2(exponent))
    return float(error.nan_to_num(nan=torch.inf, posinf=torch.inf).max())


CORRECTION_ROUNDINGS = 8
"""Of bias corrections in the arithmetic of the step: ln β, t·ln β and expm1 for β₁, half as much
for β₂, whose root is taken; the root, the quotient, the product with lr."""


def tolerance_ulps(
    rule: Rule,
    updates: int,
    dtype: torch.dtype,
    float32_count: bool,
    rounded_corrections: bool = False,
) -> float:
    """Bound the error of a right strategy after a number of updates.

    Every rounded operation adds a relative error of at most u = ε/2, which is at most one ulp of
    the scale. The change of update k has seen the ρ roundings of its own update and of the k − 1
    before it, through the state; adding it to the parameter rounds once more:

        Σₖ (ρ·k + 1) = ρ·K(K+1)/2 + K ulps.

    No cancellation enlarges this, because verification gives each element gradients of one sign.
    A step count in float32 rounds βᵗ, which 1 − βᵗ magnifies by the rule's conditioning; in ulps
    of a wider or narrower type that is ε₃₂/ε as much, in each of the K changes. Bias corrections
    that are computed from the logarithm, in float32 or wider, round ``CORRECTION_ROUNDINGS`` times.

    Args:
        rule: Gives ρ (``roundings``) and ``conditioning``.
        updates: K.
        dtype: The floating type whose ulp counts.
        float32_count: Whether the strategy keeps its count in float32.
        rounded_corrections: Whether it computes bias corrections in the arithmetic of the step.

    Returns:
        The bound in ulps.

    Source: Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1.
    """
    bound = rule.roundings * updates * (updates + 1) / 2 + updates
    if float32_count:
        ratio = torch.finfo(torch.float32).eps / torch.finfo(dtype).eps
        bound += updates * rule.conditioning * ratio
    if rounded_corrections and rule.conditioning > 0:
        wide = torch.promote_types(dtype, torch.float32)
        bound += updates * CORRECTION_ROUNDINGS * torch.finfo(wide).eps / torch.finfo(dtype).eps
    return bound
