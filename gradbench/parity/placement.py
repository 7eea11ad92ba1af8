"""Where a tensor lies in memory: a view into a larger storage, with guards around it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

GUARD = 0.5
"""What surrounds a parameter; whatever else is found there was written by the optimizer."""

PLACEMENTS = (
    "contiguous",
    "misaligned",
    "transposed",
    "strided",
    "columns",
    "channels_last",
    "expanded",
)
"""Every placement, simplest first."""

GRADIENT_ONLY = ("conjugated", "sparse")
"""What only a gradient can be beside the placements."""


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


def place(shape: tuple[int, ...], placement: str) -> View | None:
    """Lay out a shape in a storage.

    A kernel that takes the view for contiguous, or counts its offset twice, still stays inside
    the storage, so that what it does wrong is seen and does not end the process.

    Args:
        shape: Of the tensor.
        placement: One of ``PLACEMENTS``.

    Returns:
        The view, or None where the shape has no such placement that differs from contiguous.
    """
    stride = _contiguous(shape)
    if placement == "transposed":
        stride = tuple(reversed(_contiguous(tuple(reversed(shape)))))
    elif placement == "strided":
        stride = tuple(2 * step for step in stride)
    elif placement == "columns":
        stride = (*(step // max(shape[-1], 1) * (shape[-1] + 3) for step in stride[:-1]), 1)
    elif placement == "channels_last":
        if len(shape) != 4:
            return None
        _, c, h, w = shape
        stride = (h * w * c, 1, w * c, c)
    elif placement == "expanded":
        stride = (0, *stride[1:])
    if placement not in ("contiguous", "misaligned"):
        if (
            len(shape) < 1
            or 0 in shape
            or (placement in ("transposed", "columns") and len(shape) < 2)
        ):
            return None
        pairs = zip(shape, stride, _contiguous(shape), strict=True)
        if all(size < 2 or step == plain for size, step, plain in pairs):
            return None
    elements = math.prod(shape)
    reach = sum((n - 1) * step for n, step in zip(shape, stride, strict=True)) + 1
    guard = (elements // 64 + 1) * 64
    offset = 0 if placement == "contiguous" else guard + (placement == "misaligned")
    return View(shape, stride, offset, 2 * offset + max(reach, elements) + guard)


def view_of(shape: tuple[int, ...], placement: str) -> View:
    """Lay out a shape, contiguous where it has no such placement."""
    name = "contiguous" if placement in GRADIENT_ONLY else placement
    view = place(shape, name) or place(shape, "contiguous")
    assert view is not None
    return view


def _contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    steps = [1]
    for size in reversed(shape[1:]):
        steps.append(steps[-1] * max(size, 1))
    return tuple(reversed(steps)) if shape else ()
