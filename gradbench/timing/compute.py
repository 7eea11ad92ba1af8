"""The compute control: what matrix products of a rule's size and dtype give at that moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from gradbench.rules.base import Rule

_MOST, _MOST_ON_CPU = 1 << 37, 1 << 31
"""Operations of a call: about a hundredth of a second on a CPU, far less on a GPU."""


@dataclass(frozen=True)
class ComputeControl:
    """Batched products X·Xᵀ, of the shape on which the rule spends most operations.

    So the ceiling is that of this machine's matrix products of such matrices, not of its data
    sheet.

    Args:
        matrices: Number of X.
        rows: Of X, no more than columns.
        columns: Of X.
        dtype: Floating type of X.
    """

    matrices: int
    rows: int
    columns: int
    dtype: torch.dtype

    @classmethod
    def matching(
        cls, rule: Rule, shapes: Sequence[torch.Size], dtype: torch.dtype, device: torch.device
    ) -> ComputeControl | None:
        """Size the control to a rule's operations.

        Args:
            rule: Gives them.
            shapes: Shape of each tensor.
            dtype: Their floating type.
            device: Where.

        Returns:
            The control; None where memory traffic decides.
        """
        spent: Counter[tuple[int, int]] = Counter()
        alike: Counter[tuple[int, int]] = Counter()
        inner = {}
        for shape in shapes:
            operations = rule.operations(shape)
            if operations:
                size = _rows_and_columns(shape)
                spent[size] += operations
                alike[size] += 1
                inner[size] = rule.inner_dtype_of(shape) or dtype
        if not spent:
            return None
        [((rows, columns), _)] = spent.most_common(1)
        most = _MOST_ON_CPU if device.type == "cpu" else _MOST
        fitting = max(most // (2 * rows * rows * columns), 1)
        return cls(
            matrices=min(alike[rows, columns], fitting),
            rows=rows,
            columns=min(columns, max(most // (2 * rows * rows), rows)),
            dtype=inner[rows, columns],
        )

    @property
    def operations(self) -> int:
        """Multiplications and additions of one call."""
        return 2 * self.matrices * self.rows * self.rows * self.columns

    def allocate(self, device: torch.device) -> Callable[[], object]:
        """Allocate the matrices; return the call."""
        shape = self.matrices, self.rows, self.columns
        x = torch.ones(shape, dtype=self.dtype, device=device)
        products = x.new_empty(self.matrices, self.rows, self.rows)
        return lambda: torch.bmm(x, x.mT, out=products)


def _rows_and_columns(shape: torch.Size) -> tuple[int, int]:
    """Take a tensor for a matrix, no more rows than columns."""
    rows = shape[0] if shape else 1
    columns = shape.numel() // max(rows, 1)
    return min(rows, columns), max(rows, columns)
