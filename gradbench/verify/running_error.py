"""Tensors that carry a bound of the error that rounding makes, through any computation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

_SUMS = {"add", "sub", "rsub", "lerp", "__add__", "__radd__", "__sub__", "__rsub__"}
"""Whose terms may be added in another order: they round at the size of the largest of them."""

_EXACT = {"neg", "__neg__", "abs", "__abs__", "sign", "clone", "detach", "t", "transpose", "mT"}

_DIVISORS = {
    "div": 1,
    "true_divide": 1,
    "__truediv__": 1,
    "reciprocal": 0,
    "__rtruediv__": 0,
    "__rdiv__": 0,
}
"""Position of the divisor: where it may be zero, nothing is known of the quotient."""


@dataclass(frozen=True)
class Precision:
    """How a floating type rounds.

    Args:
        unit: Unit roundoff u = ε/2: fl(x) = x·(1 + δ) with δ at most u.
        floor: Absolute error below the normal numbers, which may be flushed to zero.
    """

    unit: float
    floor: float

    @classmethod
    def of(cls, dtype: torch.dtype) -> Precision:
        """Describe a type.

        Args:
            dtype: Floating. Only float16 is never flushed: it is computed in float32.
        """
        limits = torch.finfo(dtype)
        return cls(limits.eps / 2, limits.tiny * (limits.eps if dtype == torch.float16 else 1))


class Bounded(Tensor):
    """A float64 tensor with a bound of what rounding in a narrower type would make of it.

    Running error analysis: for y = f(x₁, x₂, …), each operation adds

        e(y) = Σᵢ max(|f(xᵢ + e(xᵢ)) − f|, |f(xᵢ − e(xᵢ)) − f|) + u·|y|,

    so a cancellation magnifies, a root halves, and a sign that might turn counts as a jump. Sums
    round at the size of their largest term, not of the result, since another order of the same sum
    may do so. Operations must be element-wise.

    Source: Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.3.
    """

    value: Tensor
    error: Tensor
    precision: Precision

    @classmethod
    def of(cls, value: Tensor, precision: Precision, error: Tensor | None = None) -> Bounded:
        """Give a tensor a bound.

        Args:
            value: Float64.
            precision: Of what is computed with it.
            error: Shape of ``value``; None for an exact one.

        Returns:
            The bounded tensor.
        """
        bounded: Bounded = Tensor._make_subclass(cls, value)
        bounded.value, bounded.precision = value, precision
        bounded.error = torch.zeros_like(value) if error is None else error
        return bounded

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Carry out an operation on the values, and bound its error."""
        options = {name: _plain(value) for name, value in (kwargs or {}).items()}
        with torch._C.DisableTorchFunctionSubclass():
            plain = [_plain(argument) for argument in args]
            result = func(*plain, **options)
            if not isinstance(result, Tensor) or not result.is_floating_point():
                return result
            return cls._bounded(func, args, plain, options, result)

    @classmethod
    def _bounded(
        cls,
        func: Callable[..., Any],
        args: Sequence[Any],
        plain: list[Any],
        options: dict[str, Any],
        result: Tensor,
    ) -> Bounded:
        bounded = {i: a for i, a in enumerate(args) if isinstance(a, Bounded)}
        precision = _precision(list(bounded.values()))
        error = torch.zeros_like(result)
        for index, argument in bounded.items():
            if bool((argument.error > 0).any()):
                error = error + _moved(func, plain, options, index, argument, result)
        if func.__name__ not in _EXACT:
            size = result.abs()
            if func.__name__ in _SUMS:
                for term in plain:
                    size = _at_least(size, term)
            error = error + precision.unit * size + precision.floor
        return cls.of(result, precision, error)


def _plain(argument: Any) -> Any:
    return argument.value if isinstance(argument, Bounded) else argument


def _precision(arguments: Sequence[Bounded]) -> Precision:
    """Choose as type promotion does: a 0-dim tensor does not decide beside others."""
    deciding = [a for a in arguments if a.value.dim() > 0] or arguments
    return max((a.precision for a in deciding), key=lambda precision: precision.unit)


def _moved(
    func: Callable[..., Any],
    plain: list[Any],
    options: dict[str, Any],
    index: int,
    argument: Bounded,
    result: Tensor,
) -> Tensor:
    """Say how far a result moves where one argument moves by its error, either way."""
    farthest = torch.zeros_like(result)
    for sign in (1, -1):
        moved = [*plain]
        moved[index] = argument.value + sign * argument.error
        difference: Tensor = (func(*moved, **options) - result).abs()
        # Not a number: the root of what cannot be negative, or no number to begin with.
        farthest = torch.maximum(farthest, difference.nan_to_num(nan=0.0, posinf=torch.inf))
    if _DIVISORS.get(func.__name__) == index:
        unknown = argument.value.abs() <= argument.error
        farthest = torch.where(unknown, torch.inf, farthest)
    return farthest


def _at_least(size: Tensor, term: Any) -> Tensor:
    if isinstance(term, Tensor):
        return torch.maximum(size, term.abs())
    return size.clamp_min(abs(term)) if isinstance(term, (int, float)) else size
