"""Where a tensor lies in memory: a view into a larger storage, with guards around it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

GUARD = 0.5
"""What surrounds a parameter; whatever else is found there was written by the optimizer."""

POSITIONS = (
    "contiguous",
    "misaligned",
    "transposed",
    "strided",
    "columns",
    "channels_last",
    "expanded",
)
"""Every position, simplest first."""

GRADIENT_ONLY = ("conjugated", "sparse")
"""What only a gradient can be beside the positions."""


@dataclass(frozen=True)
class View:
    """A view into a storage.

    Args:
        shape: Of the tensor.
        stride: In elements.
        offset: First element: 0 where contiguous, else beyond a guard.
        span: Elements of the storage.
    """

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    span: int

    def inside(self) -> Tensor:
        """Return which elements of the storage belong to the view, bool of shape (span,)."""
        mask = torch.zeros(self.span, dtype=torch.bool)
        mask.as_strided(self.shape, self.stride, self.offset).fill_(True)
        return mask


def place(shape: tuple[int, ...], position: str) -> View | None:
    """Lay out a shape in a storage.

    A kernel that takes the view for contiguous, or counts its offset twice, still stays inside
    the storage, so that what it does wrong is seen and does not end the process.

    Args:
        shape: Of the tensor.
        position: One of ``POSITIONS``.

    Returns:
        The view, or None where the shape has no such position that differs from contiguous.
    """
    stride = _contiguous(shape)
    if position == "transposed":
        stride = tuple(reversed(_contiguous(tuple(reversed(shape)))))
    elif position == "strided":
        stride = tuple(2 * step for step in stride)
    elif position == "columns":
        stride = (*(step // max(shape[-1], 1) * (shape[-1] + 3) for step in stride[:-1]), 1)
    elif position == "channels_last":
        if len(shape) != 4:
            return None
        _, c, h, w = shape
        stride = (h * w * c, 1, w * c, c)
    elif position == "expanded":
        stride = (0, *stride[1:])
    if position not in ("contiguous", "misaligned"):
        if (
            len(shape) < 1
            or 0 in shape
            or (position in ("transposed", "columns") and len(shape) < 2)
        ):
            return None
        pairs = zip(shape, stride, _contiguous(shape), strict=True)
        if all(size < 2 or step == plain for size, step, plain in pairs):
            return None
    elements = math.prod(shape)
    reach = sum((n - 1) * step for n, step in zip(shape, stride, strict=True)) + 1
    guard = (elements // 64 + 1) * 64
    offset = 0 if position == "contiguous" else guard + (position == "misaligned")
    return View(shape, stride, offset, 2 * offset + max(reach, elements) + guard)


def view_of(shape: tuple[int, ...], position: str) -> View:
    """Lay out a shape, contiguous where it has no such position."""
    name = "contiguous" if position in GRADIENT_ONLY else position
    view = place(shape, name) or place(shape, "contiguous")
    assert view is not None
    return view


def _contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    steps = [1]
    for size in reversed(shape[1:]):
        steps.append(steps[-1] * max(size, 1))
    return tuple(reversed(steps)) if shape else ()
