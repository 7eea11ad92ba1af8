"""A cell with the objects that carry it out."""

from __future__ import annotations

from dataclasses import dataclass

from gradbench.request.block import Cell
from gradbench.strategies.base import Strategy
from gradbench.zeroing.base import Zeroing


@dataclass(frozen=True)
class Contender:
    """A cell that takes part in a measurement.

    Args:
        cell: Which cell.
        strategy: Carries out its updates.
        zeroing: Treats its gradients between steps.
    """

    cell: Cell
    strategy: Strategy
    zeroing: Zeroing
