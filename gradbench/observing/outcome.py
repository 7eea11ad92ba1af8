"""What a gradient is, by comparison with the gradients at the old and the new weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

OLD, NEW, WRONG, ERROR = "old", "new", "wrong", "error"
NONE, ZERO, STALE = "none", "zero", "stale"


@dataclass(frozen=True)
class Seen:
    """A gradient that a training step left, beside the ones it might be.

    Args:
        gradient: What is in ``.grad``.
        old: Gradient at the weights before the update, float64, not all zero.
        new: Gradient at the weights after it, float64, not all zero.
        tolerance: Relative error below which two gradients are the same.
    """

    gradient: Tensor | None
    old: Tensor
    new: Tensor
    tolerance: float

    @property
    def outcome(self) -> str:
        """``old``, ``new``, ``wrong`` (neither), ``none`` or ``zero``."""
        if self.gradient is None:
            return NONE
        if self.error(OLD) <= self.tolerance:
            return OLD
        if self.error(NEW) <= self.tolerance:
            return NEW
        return WRONG if self.gradient.count_nonzero() else ZERO

    @property
    def apart(self) -> bool:
        """Whether the two gradients it might be can be told from each other."""
        return _relative_error(self.new, self.old) > 10 * self.tolerance

    def error(self, right: str) -> float:
        """Compute the relative error ‖g − r‖ / ‖r‖.

        Args:
            right: ``old`` or ``new``: what r is.

        Returns:
            The error; infinite where there is no gradient or it is not finite.
        """
        if self.gradient is None:
            return float("inf")
        return _relative_error(self.gradient, self.new if right == NEW else self.old)


def _relative_error(gradient: Tensor, right: Tensor) -> float:
    difference = torch.linalg.vector_norm(gradient.double() - right)
    error = float(difference / torch.linalg.vector_norm(right))
    return error if error == error else float("inf")


def combine(outcomes: Sequence[str]) -> str:
    """Sum up the outcomes of all gradients of one step.

    Args:
        outcomes: One for each gradient.

    Returns:
        What all of them are; otherwise ``none`` or ``zero`` if one of them is, and else ``wrong``:
        one old and one new are together the gradients of nothing.
    """
    if len(set(outcomes)) == 1:
        return outcomes[0]
    return next((missing for missing in (NONE, ZERO) if missing in outcomes), WRONG)
