"""The truth of rules that are not element-wise, and how far from it a right strategy may be.

Nothing bounds what rounding makes of an element by that element alone, so it is tried: the same
reference is followed with gradients and state in the type that right implementations compute in,
three times, with inputs that differ by a rounding. With Δ the change of a tensor so far and δ the
largest error of the three, in the norm of Frobenius,

    T = 1.5·√(‖δ‖² + k·u²‖p‖²/3),

u the unit roundoff of the parameter, which is stored k times: roundings are spread evenly over
±u·p and independent, so that their squares add. ‖δ‖ is at least u‖Δ‖.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gradbench.rules.base import Rule
from gradbench.verify.expected import Expected

_TRIES = 3
_MARGIN = 1.5
"""Between the largest error of the tries and the tolerance."""


def follow_whole(
    rules: Sequence[Rule], parameter: Tensor, gradients: Sequence[Tensor | None], dtype: torch.dtype
) -> list[Expected]:
    """Take one update per gradient in float64, and again in the type of the computation.

    Args:
        rules: Whose reference to follow, for each update; they differ in their options only.
        parameter: Starting values, float64.
        gradients: The gradient of each update, shape of ``parameter``, float64; None where there
            is none, so that nothing changes and nothing is counted.
        dtype: Of the parameter as strategies have it.

    Returns:
        What is expected after each update.
    """
    inner = rules[0].inner_dtype_of(parameter.shape) or dtype
    exact = _follow(rules, parameter, gradients, torch.float64)
    random = torch.Generator().manual_seed(0)
    tries = []
    for _ in range(_TRIES):
        moved = [None if g is None else _rounded(g, inner, random) for g in gradients]
        tries.append(_follow(rules, parameter, moved, inner))
    stored = torch.finfo(dtype).eps / 2
    expected, taken = [], 0
    scale = parameter.abs()
    for update, (value, slots) in enumerate(exact):
        taken += gradients[update] is not None
        scale = torch.maximum(scale, value.abs())
        errors = [tried[update][0] - value for tried in tries]
        rounded = stored * math.sqrt(taken / 3) * _rms(scale)
        state = {
            name: (slot, _spread([t[update][1][name] - slot for t in tries], slot, inner))
            for name, slot in slots.items()
        }
        tolerance = math.hypot(_largest(errors, value - parameter, inner), rounded)
        spread = torch.full_like(value, _MARGIN * tolerance)
        expected.append(Expected(value, spread, state, scale, together=True))
    return expected


def _rounded(gradient: Tensor, dtype: torch.dtype, random: torch.Generator) -> Tensor:
    """Move a gradient by up to a rounding of a type."""
    noise = torch.rand(gradient.shape, generator=random, dtype=torch.float64) - 0.5
    return gradient * (1 + torch.finfo(dtype).eps * noise.to(gradient.device))


def _spread(errors: Sequence[Tensor], size: Tensor, dtype: torch.dtype) -> Tensor:
    """Give each element of a slot its share of the tolerance."""
    return torch.full_like(size, _MARGIN * _largest(errors, size, dtype))


def _largest(errors: Sequence[Tensor], size: Tensor, dtype: torch.dtype) -> float:
    """Choose the largest error of the tries, or that of one rounding."""
    return max(*map(_rms, errors), torch.finfo(dtype).eps / 2 * _rms(size))


def _rms(tensor: Tensor) -> float:
    """Root mean square of what is finite."""
    finite = tensor[tensor.isfinite()]
    return float(finite.square().mean().sqrt()) if finite.numel() else 0.0


def _follow(
    rules: Sequence[Rule],
    value: Tensor,
    gradients: Sequence[Tensor | None],
    dtype: torch.dtype,
) -> list[tuple[Tensor, dict[str, Tensor]]]:
    """Follow the reference with gradients and state in a type; the parameter stays float64."""
    names = rules[0].slots_of(value.shape)
    slots = {name: torch.zeros_like(value, dtype=dtype) for name in names}
    followed, count = [], 0
    for rule, gradient in zip(rules, gradients, strict=True):
        if gradient is not None:
            count += 1
            value, slots = rule.reference(value, gradient.to(dtype), slots, count)
        followed.append((value, {name: slot.double() for name, slot in slots.items()}))
    return followed
