"""The bandwidth control: what the memory gives at that moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from gradbench.rules.base import Rule

_ACCESSES = 3
_MOST_ELEMENTS = 1 << 25


@dataclass(frozen=True)
class BandwidthControl:
    """In-place axpy, x ← x + αy, over about as many bytes as the rule must move.

    Two reads and a write per element: the access pattern of the plainest update. Beyond 2²⁵
    elements per vector the bandwidth no longer depends on the size.

    Args:
        elements: Elements of each of the two vectors.
        dtype: Their floating type.
    """

    elements: int
    dtype: torch.dtype

    @classmethod
    def matching(
        cls, rule: Rule, shapes: Sequence[torch.Size], dtype: torch.dtype
    ) -> BandwidthControl:
        """Size the control to a rule's traffic.

        Args:
            rule: Gives the accesses per element.
            shapes: Shape of each tensor that an update writes.
            dtype: Their floating type.

        Returns:
            The control.
        """
        elements = -(-_accesses(rule, shapes) // _ACCESSES)
        return cls(min(elements, _MOST_ELEMENTS), dtype)

    @property
    def traffic_bytes(self) -> int:
        """Bytes that one call moves."""
        return _ACCESSES * self.elements * self.dtype.itemsize

    def allocate(self, device: torch.device) -> Axpy:
        """Allocate the two vectors."""
        x = torch.ones(self.elements, dtype=self.dtype, device=device)
        return Axpy(x, torch.ones_like(x))


@dataclass(frozen=True)
class Axpy:
    """The control's call on its vectors."""

    x: torch.Tensor
    y: torch.Tensor

    def __call__(self) -> None:
        """Move the bytes once; α = 0 keeps the values, and no kernel looks at it."""
        self.x.add_(self.y, alpha=0)


def traffic_bytes(rule: Rule, shapes: Sequence[torch.Size], dtype: torch.dtype) -> int:
    """Count the bytes that no implementation of an update can avoid moving.

    Args:
        rule: Gives the accesses per element.
        shapes: Shape of each tensor that an update writes.
        dtype: Their floating type.

    Returns:
        Σ accesses · elements · bytes per element.
    """
    return _accesses(rule, shapes) * dtype.itemsize


def _accesses(rule: Rule, shapes: Sequence[torch.Size]) -> int:
    return sum(rule.accesses_of(shape) * shape.numel() for shape in shapes)
