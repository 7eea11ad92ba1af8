"""One replicate's tensors: parameters, gradients and state, freshly allocated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Rule
from gradbench.strategies.base import zero_slots
from gradbench.strategies.flattening import cut, join
from gradbench.verify.reference import follow
from gradbench.verify.whole_tensors import WholeTruth, follow_whole

_GUARD_BYTES = 64
"""Guard before and after each parameter: a cache line, so that alignment stays as it was."""
_GUARD_VALUE = 7.0
_PATTERN = 65_537
"""Random numbers drawn per tensor; a prime, so that no row of a matrix repeats another."""
_SAMPLED = 1_000_000
"""Elements that are compared with the reference; rules are element-wise, so they stand for all."""


@dataclass(frozen=True)
class Tensors:
    """What all strategies of a block share in one replicate, so that memory favours none.

    Args:
        values: Storage of each parameter; signed, magnitudes in lr·[2, 4), so that one update
            changes every element, whatever the dtype.
        gradients: Known gradients, signed, magnitudes in [½, 1).
        slots: State of each parameter.
        guarded: Buffer around each parameter.
    """

    values: list[Tensor]
    gradients: list[Tensor]
    slots: list[dict[str, Tensor]]
    guarded: list[Tensor]

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
        slots = [zero_slots(rule, value) for value in values]
        return cls(values, gradients, slots, guarded)

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
        buffer = join(self.values)

        def zeros() -> list[Tensor]:
            return cut(torch.zeros_like(buffer), self.values)

        state = {name: zeros() for name in self.slots[0]}
        slots = [
            {name: tensors[index] for name, tensors in state.items()}
            for index in range(len(self.values))
        ]
        return Tensors(cut(buffer, self.values), zeros(), slots, guarded=[])

    def guards_intact(self) -> bool:
        """Say whether nothing next to a parameter was written."""
        for buffer, value in zip(self.guarded, self.values, strict=True):
            guard = (buffer.numel() - value.numel()) // 2
            edges = torch.cat([buffer[:guard], buffer[buffer.numel() - guard :]])
            if bool((edges != _GUARD_VALUE).any()):
                return False
        return True


class Verifiable:
    """A replicate's tensors with what it takes to verify one cell after another on them.

    Args:
        tensors: Freshly allocated.
    """

    def __init__(self, tensors: Tensors) -> None:
        self.tensors = tensors
        self.gradients, self.slots = tensors.gradients, tensors.slots
        self.initial = [value.clone() for value in tensors.values]
        self.arriving = [torch.empty_like(gradient) for gradient in tensors.gradients]
        total = tensors.elements
        self._positions = [
            _positions(value.numel(), total, value.device) for value in tensors.values
        ]
        self._truths: dict[tuple[Rule, tuple[float, ...], bool], tuple[Tensor, Tensor]] = {}
        self._whole: dict[tuple[Rule, tuple[float, ...], bool], list[WholeTruth]] = {}

    @property
    def dtype(self) -> torch.dtype:
        """Floating type of the tensors."""
        return self.initial[0].dtype

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.initial[0].device

    def reset(self) -> None:
        """Put parameters and state back to where they began."""
        torch._foreach_copy_(self.tensors.values, self.initial)
        for row in self.slots:
            for tensor in row.values():
                tensor.zero_()

    def sampled(self, tensors: Sequence[Tensor]) -> Tensor:
        """Gather the compared elements of tensors shaped like the parameters, into one vector."""
        return torch.cat(
            [t.detach().reshape(-1)[p] for t, p in zip(tensors, self._positions, strict=True)]
        )

    def truth(
        self, rule: Rule, factors: tuple[float, ...], *, accumulates: bool
    ) -> tuple[Tensor, Tensor]:
        """Follow the rule's reference on the compared elements, once for all cells.

        Args:
            rule: Whose reference to follow.
            factors: What ``gradients`` are multiplied by, for each update.
            accumulates: Whether the products add up from update to update, in the tensors' dtype.

        Returns:
            Values and magnitudes of :func:`gradbench.verify.reference.follow`.
        """
        key = (rule, factors, accumulates)
        if key not in self._truths:
            arriving = [self.sampled(self.gradients) * factor for factor in factors]
            seen = list(accumulate(arriving)) if accumulates else arriving
            self._truths[key] = follow(rule, self.sampled(self.initial), seen)
        return self._truths[key]

    def whole_truths(
        self, rule: Rule, factors: tuple[float, ...], *, accumulates: bool
    ) -> list[WholeTruth]:
        """Follow the reference of a rule that is not element-wise, once for all cells.

        Args:
            rule: Whose reference to follow.
            factors: What ``gradients`` are multiplied by, for each update.
            accumulates: Whether the products add up from update to update, in the tensors' dtype.

        Returns:
            One for each tensor.
        """
        key = (rule, factors, accumulates)
        if key not in self._whole:
            self._whole[key] = []
            for value, gradient in zip(self.initial, self.gradients, strict=True):
                arriving = [gradient * factor for factor in factors]
                seen = list(accumulate(arriving)) if accumulates else arriving
                self._whole[key].append(follow_whole(rule, value, seen))
        return self._whole[key]


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
    """Fill with magnitudes in [low, high) and random signs, repeated beyond ``_PATTERN``."""
    flat = tensor.view(-1)
    pattern = flat[:_PATTERN]
    pattern.uniform_(low, high)
    pattern.mul_(torch.empty_like(pattern).bernoulli_(0.5).mul_(2).sub_(1))
    whole = flat.numel() // _PATTERN * _PATTERN
    if whole:
        flat[:whole].view(-1, _PATTERN)[1:] = pattern
        flat[whole:] = pattern[: flat.numel() - whole]


def _positions(elements: int, total: int, device: torch.device) -> Tensor:
    """Choose a tensor's share of the compared elements, first and last among them."""
    if total <= _SAMPLED:
        return torch.arange(elements, device=device)
    share = max(1, round(_SAMPLED * elements / total))
    chosen = torch.randint(elements, (share,), device=device)
    ends = torch.tensor([0, elements - 1], device=device) if elements else chosen
    unique: Tensor = torch.cat([chosen, ends]).unique()
    return unique
