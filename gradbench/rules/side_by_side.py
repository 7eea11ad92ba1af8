"""Several optimizers of torch.optim that step as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.optim import Optimizer


class SideBySide(Optimizer):
    """Optimizers of disjoint parameters under one ``step``.

    As documentation of torch.optim.Muon uses them: one after the other. ``param_groups`` holds the
    groups of all of them, the very objects, so that a changed learning rate reaches its optimizer;
    ``state`` is one mapping that they share.

    Args:
        parts: Optimizers that have taken no step, of one parameter or more each.
    """

    def __init__(self, parts: Sequence[Optimizer]) -> None:
        super().__init__([group for part in parts for group in part.param_groups], {})
        self._parts = tuple(parts)
        for part in parts:
            part.state = self.state

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Let each part take its step.

        Args:
            closure: Computes loss and gradients anew, once for all parts.

        Returns:
            What ``closure`` returns.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self._parts:
            part.step()
        return loss
