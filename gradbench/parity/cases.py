"""What is tried: an optimizer, how it is carried out, its options, and the tensors it is given."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gradbench.parity.options import Options

STEPS = 2
"""Updates of most cases: the second is the first that meets a state."""

FACTORS = (1.0, 1 / 64, 0.0, 4.0, 1 / 4, 16.0, 1.0, 1 / 16)
"""Of the magnitude of a varying gradient from step to step: second moments fall and rise."""

LONG = 8
"""Updates of the cases that are to reach what begins later, as RAdam's rectification at six."""


@dataclass(frozen=True)
class Member:
    """A parameter in the list, and the gradients it gets.

    Args:
        shape: Of the parameter.
        seed: Where its values start in the sequence of values.
        parameter: Position of the parameter.
        gradient: Position of the gradient.
        dtype: Its own floating type; None for the case's.
        present: At which steps it has a gradient; the last goes on.
        values: ordinary, small, zero, nonfinite or varying: what its gradients are like.
        group: Number of its parameter group: see ``in_group``.
    """

    shape: tuple[int, ...]
    seed: int = 0
    parameter: str = "contiguous"
    gradient: str = "contiguous"
    dtype: torch.dtype | None = None
    present: tuple[bool, ...] = (True,) * STEPS
    values: str = "ordinary"
    group: int = 0

    def __str__(self) -> str:
        shape = "×".join(map(str, self.shape)) or "scalar"
        said = [f"{shape} parameter"]
        if self.dtype is not None:
            said.append(str(self.dtype).removeprefix("torch."))
        said += [
            f"{position} {side}"
            for side, position in (("itself", self.parameter), ("gradient", self.gradient))
            if position != "contiguous"
        ]
        if self.values != "ordinary":
            said.append(f"{self.values} gradient")
        if not all(self.present):
            steps = [str(number + 1) for number, given in enumerate(self.present) if given]
            said.append(f"gradient only at step {', '.join(steps)}" if steps else "no gradient")
        if self.group:
            said.append(f"in group {self.group}")
        return ", ".join(said)

    def has_gradient(self, step: int) -> bool:
        """Return whether it has a gradient at a step, from 0."""
        return self.present[min(step, len(self.present) - 1)]


@dataclass(frozen=True)
class Case:
    """One optimizer on one list of parameters.

    Args:
        optimizer: Name of the class in torch.optim.
        implementation: Name from ``Entry.implementations``.
        options: Beside the defaults.
        dtype: Floating or complex type of the parameters.
        layout: Name of the list below.
        members: The parameters.
        steps: Updates to take.
        restored: Whether another optimizer, to which the state is loaded, takes the later half.
    """

    optimizer: str
    implementation: str
    options: Options
    dtype: torch.dtype
    layout: str
    members: tuple[Member, ...]
    steps: int = STEPS
    restored: bool = False

    def restores_at(self, step: int) -> bool:
        """Return whether another optimizer takes over before a step, from 0."""
        return self.restored and self.steps > 1 and step == self.steps // 2

    def dtype_of(self, member: Member) -> torch.dtype:
        """Return the type of one parameter."""
        return member.dtype or self.dtype


@functools.lru_cache(maxsize=512)
def starting_values(member: Member, dtype: torch.dtype) -> Tensor:
    """Return the parameter's first values: cos(k + seed), rounded to ``dtype``."""
    values = _fill(member, dtype, torch.cos(_count(member) + member.seed))
    return _repeat(values) if member.parameter == "expanded" else values


@functools.lru_cache(maxsize=2048)
def gradient_values(member: Member, step: int, dtype: torch.dtype) -> Tensor:
    """Return the gradient of a step: sin((k + seed)² + step + 1), made to the member's kind.

    Signs change from element to element and step to step, and a matrix has full rank. It is kept
    for the next who asks: not to be written to.
    """
    values = torch.sin((_count(member) + member.seed) ** 2 + step + 1)
    if member.values == "small":
        values = values / 64
    elif member.values == "varying":
        values = values * FACTORS[step % len(FACTORS)]
    elif member.values == "zero":
        values = torch.zeros_like(values)
    elif member.values == "nonfinite":
        values[::2] = torch.nan
        values[1::4] = torch.inf
    filled = _fill(member, dtype, values)
    return _repeat(filled) if member.gradient == "expanded" else filled


def _count(member: Member) -> Tensor:
    return torch.arange(math.prod(member.shape), dtype=torch.float64)


def _repeat(values: Tensor) -> Tensor:
    """Return the first row in place of every row, as a tensor expanded over them has it."""
    return values[:1].expand_as(values)


def _fill(member: Member, dtype: torch.dtype, values: Tensor) -> Tensor:
    if dtype.is_complex:
        values = torch.complex(values, values.flip(0))
    return values.to(dtype).reshape(member.shape)
