"""Errors in units in the last place."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from gradbench.rules.base import Rule


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
    error = (actual.double() - expected).abs() / ulp(scale, dtype)
    return float(error.nan_to_num(nan=torch.inf, posinf=torch.inf).max())


def ulp(scale: Tensor, dtype: torch.dtype) -> Tensor:
    """Give the unit in the last place of numbers of a magnitude.

    Args:
        scale: Magnitudes, float64.
        dtype: The floating type.

    Returns:
        ε·2^⌊log₂ s⌋, no smaller than at the smallest normal number; float64, shape of ``scale``.
    """
    limits = torch.finfo(dtype)
    return limits.eps * torch.exp2(torch.floor(torch.log2(scale.clamp_min(limits.tiny))))


def computed_unit(
    rule: Rule, shapes: Iterable[torch.Size], dtype: torch.dtype
) -> tuple[float, str]:
    """Give the unit that errors of a rule are told in: of the type that it computes in.

    Args:
        rule: The rule.
        shapes: Of its parameters.
        dtype: Theirs.

    Returns:
        An ulp of that type in ulps of ``dtype``, and the words for it; 1 and none where the rule
        computes in ``dtype``.
    """
    inner = next(filter(None, map(rule.inner_dtype_of, shapes)), dtype)
    if inner == dtype:
        return 1.0, ""
    unit = torch.finfo(inner).eps / torch.finfo(dtype).eps
    return unit, f" of {str(inner).removeprefix('torch.')}"
