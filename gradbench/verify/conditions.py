"""The numbers that verification updates: starting values, and a gradient for each update."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import cycle, islice

import torch
from torch import Tensor

PERIOD = 16_411
"""Elements after which the numbers of a tensor repeat; a prime, so that no row of a matrix repeats
another."""

_SPREAD = 6.0
"""Binary orders of magnitude over which an element's gradients vary, and elements vary."""

_SIZES = (1.0, 8.0, 2.0, 0.25, 1.0)
"""Of the gradients of whole tensors: a state that is forgotten shows after a larger one."""

_ZERO, _TINY = 1 / 16, 1 / 8
"""Shares of gradients that are zero, and of elements whose gradients are all tiny."""

_TINY_EXPONENT = -27.0
"""Gradients near 1e-8, the usual ε, show it."""


@dataclass(frozen=True)
class Conditions:
    """Numbers for a verification, exactly representable in its type.

    Args:
        start: Starting values, one-dimensional, float64.
        gradients: The gradient of each update, like ``start``: of both signs, over orders of
            magnitude from element to element and update to update, zeros among them.
    """

    start: Tensor
    gradients: tuple[Tensor, ...]


def draw(
    elements: int,
    updates: int,
    dtype: torch.dtype,
    device: torch.device,
    exponents: tuple[float, float],
) -> Conditions:
    """Draw numbers from PyTorch's global random numbers of the CPU.

    Args:
        elements: How many.
        updates: How many gradients of each.
        dtype: The type in which they can be represented.
        device: Where they are wanted.
        exponents: Smallest and largest binary exponent of the starting values.

    Returns:
        The numbers.
    """

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(elements, dtype=torch.float64)

    def signs() -> Tensor:
        return torch.randint(2, (elements,), dtype=torch.float64) * 2 - 1

    def represented(values: Tensor) -> Tensor:
        return values.to(dtype).double().to(device)

    half = _SPREAD / 2
    base = uniform(-half, half)
    if torch.finfo(dtype).tiny < 2.0**-100:  # squares stay normal numbers
        base += torch.where(torch.rand(elements) < _TINY, _TINY_EXPONENT, 0.0)
    gradients = []
    for _ in range(updates):
        size = torch.exp2(base + uniform(-half, half))
        present = torch.rand(elements) >= _ZERO
        gradients.append(represented(signs() * size * present))
    start = signs() * torch.exp2(uniform(*exponents))
    return Conditions(represented(start), tuple(gradients))


def draw_normal(
    elements: int, updates: int, dtype: torch.dtype, device: torch.device, scale: float
) -> Conditions:
    """Draw numbers for a rule that is not element-wise: matrices of them are well-conditioned.

    Args:
        elements: How many.
        updates: How many gradients of each; their size varies by orders of magnitude.
        dtype: The type in which they can be represented.
        device: Where they are wanted.
        scale: Standard deviation of the starting values.

    Returns:
        The numbers.
    """

    def normal(size: float) -> Tensor:
        return (size * torch.randn(elements, dtype=torch.float64)).to(dtype).double().to(device)

    sizes = islice(cycle(_SIZES), updates)
    return Conditions(normal(scale), tuple(normal(size) for size in sizes))


def exponents_around(lr: float, dtype: torch.dtype) -> tuple[float, float]:
    """Choose starting values about as large as an update, and up to a thousand times as large.

    The small ones show the change, whatever the type; the large ones show weight decay.

    Args:
        lr: Learning rate: the size of an update, coarsely.
        dtype: The type of the values.

    Returns:
        Smallest and largest binary exponent.
    """
    limits = torch.finfo(dtype)
    smallest, largest = math.log2(limits.tiny) + 2, math.log2(limits.max) - 8
    size = math.log2(lr) if lr > 0 else smallest
    low = min(max(size - 3, smallest), largest - 10)
    return low, low + 13
