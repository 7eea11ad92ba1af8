"""What tensors must be after an update."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


def excess(actual: Tensor, value: Tensor, tolerance: Tensor, *, together: bool = False) -> Tensor:
    """Measure errors in tolerances.

    Args:
        actual: What a strategy computed, any floating dtype.
        value: What is expected, float64, shape of ``actual``.
        tolerance: How far off it may be, shape of ``actual``.
        together: Whether the errors of all elements count together, ‖actual − value‖ over
            ‖tolerance‖, for each of them.

    Returns:
        |actual − value| / tolerance, float64; 0 where nothing is known; where ``value`` is not
        finite, 0 if ``actual`` is neither, else infinite; infinite where only ``actual`` is not.
    """
    if together:
        finite = value.isfinite()
        error = (actual.double() - value)[finite].norm() / tolerance[finite].norm()
        error = error.expand_as(value)
    else:
        error = (actual.double() - value).abs() / tolerance
    error = torch.where(value.isfinite() & (error.isfinite() | (error == 0)), error, torch.inf)
    free = (value.isfinite() & ~tolerance.isfinite()) | (actual == value)
    return torch.where(free | ~(value.isfinite() | actual.isfinite()), 0.0, error)


@dataclass(frozen=True)
class Expected:
    """What tensors must be after an update.

    Args:
        value: Parameter, float64.
        tolerance: How far from it a right strategy may be, shape of ``value``; infinite where
            nothing is known.
        state: Value and tolerance of each slot.
        scale: The largest magnitude that went into each element: of p, and of Σ|Δp|.
        together: Whether the errors of all elements count together, as their norm.
    """

    value: Tensor
    tolerance: Tensor
    state: Mapping[str, tuple[Tensor, Tensor]]
    scale: Tensor
    together: bool = False

    def excess(self, actual: Tensor) -> Tensor:
        """Measure a parameter's errors in tolerances, as :func:`excess` does.

        Args:
            actual: What a strategy computed.
        """
        return excess(actual, self.value, self.tolerance, together=self.together)

    def of(self, slot: str | None) -> tuple[Tensor, Tensor, Tensor]:
        """Return value, tolerance and the magnitude that sets the ulp.

        Args:
            slot: Of this slot; None for the parameter.
        """
        if slot is None:
            return self.value, self.tolerance, self.scale
        value, tolerance = self.state[slot]
        return value, tolerance, value.abs()
