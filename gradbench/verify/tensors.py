"""One replicate's tensors: parameters, gradients and state, freshly allocated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Rule
from gradbench.strategies.flattening import Empty, cut, fresh, join
from gradbench.verify.conditions import PERIOD

_GUARD_BYTES = 64
"""Guard before and after each parameter: a cache line, so that alignment stays as it was."""
_GUARD_VALUE = 7.0


@dataclass(frozen=True)
class Tensors:
    """What all strategies of a block share in one replicate, so that memory favours none.

    Args:
        values: Storage of each parameter; signed, magnitudes in lr·[2, 4), so that one update
            changes every element, whatever the dtype.
        gradients: Known gradients, signed, magnitudes in [½, 1).
        slots: State of each parameter.
        guarded: Buffer around each parameter.
        empty: Allocates a contiguous tensor.
    """

    values: list[Tensor]
    gradients: list[Tensor]
    slots: list[dict[str, Tensor]]
    guarded: list[Tensor]
    empty: Empty = fresh

    @classmethod
    def allocate(
        cls,
        shapes: Sequence[torch.Size],
        dtype: torch.dtype,
        device: torch.device,
        rule: Rule,
        empty: Empty = fresh,
    ) -> Tensors:
        """Allocate and fill the tensors from PyTorch's global random numbers.

        Args:
            shapes: Shape of each parameter.
            dtype: Their floating type.
            device: Where they are.
            rule: Gives the slots and the scale of the values.
            empty: Allocates a contiguous tensor.

        Returns:
            Fresh tensors.
        """
        guard = _GUARD_BYTES // dtype.itemsize
        sizes = [torch.Size([guard + shape.numel() + guard]) for shape in shapes]
        guarded = [empty(size, dtype, device).fill_(_GUARD_VALUE) for size in sizes]
        values = [
            buffer[guard : guard + shape.numel()].view(shape)
            for buffer, shape in zip(guarded, shapes, strict=True)
        ]
        for value in values:
            _fill_signed(value, 2 * rule.lr, 4 * rule.lr)
        gradients = [empty(shape, dtype, device) for shape in shapes]
        for gradient in gradients:
            _fill_signed(gradient, 0.5, 1.0)
        slots = [
            {name: empty(shape, dtype, device).zero_() for name in rule.slots_of(shape)}
            for shape in shapes
        ]
        return cls(values, gradients, slots, guarded, empty)

    def like(self, tensor: Tensor) -> Tensor:
        """Allocate a tensor of another one's shape, where this replicate's lie."""
        return self.empty(tensor.shape, tensor.dtype, tensor.device)

    @property
    def elements(self) -> int:
        """Number of elements of all parameters."""
        return sum(value.numel() for value in self.values)

    def parameters(self) -> list[Parameter]:
        """Make parameters over the shared storage, with no gradient, for one cell."""
        return [Parameter(value) for value in self.values]

    @cached_property
    def flat(self) -> Tensors:
        """The same values in one buffer, as are gradients and state, which are zero.

        Made when it is first asked for, once for all strategies that flatten.
        """
        buffer = join(self.values, self.empty)

        def zeros() -> list[Tensor]:
            return cut(self.like(buffer).zero_(), self.values)

        state = {name: zeros() for name in self.slots[0]}
        slots = [
            {name: tensors[index] for name, tensors in state.items()}
            for index in range(len(self.values))
        ]
        return Tensors(cut(buffer, self.values), zeros(), slots, [], self.empty)

    def guards_intact(self) -> bool:
        """Say whether nothing next to a parameter was written."""
        edges = torch.cat([edge for pair in self._guards() for edge in pair])
        return not bool((edges != _GUARD_VALUE).any())

    def mend_guards(self) -> None:
        """Put back what was written next to parameters, so that the next one who looks sees his."""
        for pair in self._guards():
            for edge in pair:
                edge.fill_(_GUARD_VALUE)

    def _guards(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield what lies before and after each parameter."""
        for buffer, value in zip(self.guarded, self.values, strict=True):
            guard = (buffer.numel() - value.numel()) // 2
            yield buffer[:guard], buffer[buffer.numel() - guard :]


def cut_shape(shape: torch.Size, most: int) -> torch.Size:
    """Shorten a shape's first dimension until it holds no more than a number of elements.

    Args:
        shape: Of a tensor.
        most: Elements; at least one slice is left, whatever it holds.

    Returns:
        The shape of the first slices, with as many dimensions.
    """
    if shape.numel() <= most:
        return shape
    slice_ = shape[1:].numel()
    return torch.Size([max(most // slice_, 1), *shape[1:]])


def _fill_signed(tensor: Tensor, low: float, high: float) -> None:
    """Fill with magnitudes in [low, high) and random signs, repeated beyond ``PERIOD``."""
    flat = tensor.view(-1)
    pattern = flat[:PERIOD]
    pattern.uniform_(low, high)
    pattern.mul_(torch.empty_like(pattern).bernoulli_(0.5).mul_(2).sub_(1))
    whole = flat.numel() // PERIOD * PERIOD
    if whole:
        flat[:whole].view(-1, PERIOD)[1:] = pattern
        flat[whole:] = pattern[: flat.numel() - whole]
