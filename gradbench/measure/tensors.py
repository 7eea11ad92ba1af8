"""One replicate's tensors: parameters, gradients and state, freshly allocated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Rule

_GUARD_BYTES = 64
"""Guard before and after each parameter: a cache line, so that alignment stays as it was."""
_GUARD_VALUE = 7.0
_SAMPLED = 1_000_000
"""Elements that are compared with the reference; rules are element-wise, so they stand for all."""


@dataclass(frozen=True)
class Tensors:
    """What all strategies of a block share in one replicate, so that memory favours none.

    Args:
        values: Storage of each parameter.
        initial: Its values before any update; signed, magnitudes in lr·[2, 4), so that one update
            changes every element, whatever the dtype.
        gradients: Known gradients, signed, magnitudes in [½, 1).
        slots: State of each parameter.
        guarded: Buffer around each parameter.
        positions: Flat indices of each parameter's elements that are compared.
    """

    values: list[Tensor]
    initial: list[Tensor]
    gradients: list[Tensor]
    slots: list[dict[str, Tensor]]
    guarded: list[Tensor]
    positions: list[Tensor]

    @classmethod
    def allocate(
        cls, shapes: Sequence[torch.Size], dtype: torch.dtype, device: torch.device, rule: Rule
    ) -> Tensors:
        """Allocate and fill the tensors from PyTorch's global random numbers.

        Args:
            shapes: Shape of each parameter.
            dtype: Their floating type.
            device: Where they are.
            rule: Gives the slots and the scale of the values.

        Returns:
            Fresh tensors.
        """
        guard = _GUARD_BYTES // dtype.itemsize
        guarded = [
            torch.full((guard + shape.numel() + guard,), _GUARD_VALUE, dtype=dtype, device=device)
            for shape in shapes
        ]
        values = [
            buffer[guard : guard + shape.numel()].view(shape)
            for buffer, shape in zip(guarded, shapes, strict=True)
        ]
        for value in values:
            _fill_signed(value, 2 * rule.lr, 4 * rule.lr)
        gradients = [torch.empty_like(value) for value in values]
        for gradient in gradients:
            _fill_signed(gradient, 0.5, 1.0)
        slots = [{name: torch.zeros_like(v) for name in rule.slots} for v in values]
        total = sum(shape.numel() for shape in shapes)
        positions = [_positions(shape.numel(), total, device) for shape in shapes]
        initial = [value.clone() for value in values]
        return cls(values, initial, gradients, slots, guarded, positions)

    @property
    def elements(self) -> int:
        """Number of elements of all parameters."""
        return sum(value.numel() for value in self.values)

    def parameters(self) -> list[Parameter]:
        """Make parameters over the shared storage, with no gradient, for one cell."""
        return [Parameter(value) for value in self.values]

    def reset(self) -> None:
        """Put parameters and state back to where they began."""
        torch._foreach_copy_(self.values, self.initial)
        for row in self.slots:
            for tensor in row.values():
                tensor.zero_()

    def guards_intact(self) -> bool:
        """Say whether nothing next to a parameter was written."""
        for buffer, value in zip(self.guarded, self.values, strict=True):
            guard = (buffer.numel() - value.numel()) // 2
            edges = torch.cat([buffer[:guard], buffer[buffer.numel() - guard :]])
            if bool((edges != _GUARD_VALUE).any()):
                return False
        return True

    def sampled(self, tensors: Sequence[Tensor]) -> Tensor:
        """Gather the compared elements of tensors shaped like the parameters, into one vector."""
        return torch.cat(
            [t.detach().reshape(-1)[p] for t, p in zip(tensors, self.positions, strict=True)]
        )


def _fill_signed(tensor: Tensor, low: float, high: float) -> None:
    """Fill with magnitudes in [low, high) and random signs."""
    tensor.uniform_(low, high)
    tensor.mul_(torch.empty_like(tensor).bernoulli_(0.5).mul_(2).sub_(1))


def _positions(elements: int, total: int, device: torch.device) -> Tensor:
    """Choose a tensor's share of the compared elements, first and last among them."""
    if total <= _SAMPLED:
        return torch.arange(elements, device=device)
    share = max(1, round(_SAMPLED * elements / total))
    chosen = torch.randint(elements, (share,), device=device)
    ends = torch.tensor([0, elements - 1], device=device) if elements else chosen
    return torch.cat([chosen, ends]).unique()
