"""What real training does to a strategy: tensors and gradients of every kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Parameter

UPDATES = 4
"""Of a situation: enough for a gradient that is missing at first, and once more later."""


@dataclass(frozen=True)
class Part:
    """One parameter of a situation.

    Args:
        shape: Its shape.
        layout: How it lies in memory: contiguous, transposed or channels_last.
        gradient: How its gradients arrive: like the parameter, as autograd brings them, or
            transposed, as a view of something larger, or expanded.
        missing: Updates, from 0, in which it has no gradient.
        not_finite: Whether the gradient of update 1 holds infinities and NaN.
    """

    shape: tuple[int, ...]
    layout: str = "contiguous"
    gradient: str = "like"
    missing: tuple[int, ...] = ()
    not_finite: bool = False


@dataclass(frozen=True)
class Situation:
    """Parameters and gradients as they may come.

    Args:
        name: As a cell's row names it.
        parts: The parameters.
        changes_lr: Whether the learning rate is halved before update 2.
        by_hand: Whether gradients come so only where they are assigned by hand: autograd brings
            them in the layout and type of the parameter.
        other_dtype: Whether gradients arrive in another floating type.
    """

    name: str
    parts: tuple[Part, ...]
    changes_lr: bool = False
    by_hand: bool = False
    other_dtype: bool = False


_PLAIN = Part((7, 3))

BY_AUTOGRAD: tuple[Situation, ...] = (
    Situation("a zero-dim parameter", (_PLAIN, Part(()))),
    Situation("an empty parameter", (_PLAIN, Part((0,)), Part((3, 0)))),
    Situation("a transposed parameter", (_PLAIN, Part((9, 4), layout="transposed"))),
    Situation("a channels_last parameter", (_PLAIN, Part((4, 3, 2, 2), layout="channels_last"))),
    Situation("non-finite gradients", (_PLAIN, Part((40,), not_finite=True))),
)
BY_HAND: tuple[Situation, ...] = (
    Situation("a transposed gradient", (_PLAIN, Part((9, 4), gradient="transposed")), by_hand=True),
    Situation("a gradient that is a view", (_PLAIN, Part((9, 4), gradient="view")), by_hand=True),
    Situation("an expanded gradient", (_PLAIN, Part((9, 4), gradient="expanded")), by_hand=True),
)
CHANGING: tuple[Situation, ...] = (
    Situation("a parameter without a gradient", (_PLAIN, Part((5,), missing=(0, 2)))),
    Situation("a learning rate that changes", (_PLAIN,), changes_lr=True),
)
"""Not the same at every update."""

OTHER_DTYPE: tuple[Situation, ...] = (
    Situation("gradients of another dtype", (_PLAIN,), by_hand=True, other_dtype=True),
)

SITUATIONS = BY_AUTOGRAD + BY_HAND + CHANGING + OTHER_DTYPE


def joined(situations: Sequence[Situation]) -> Situation:
    """Join situations that can be met at once: one set of tensors, and so one graph to compile.

    Args:
        situations: At least one; those with gradients of another dtype do not join others.

    Returns:
        The situation with all their parts, those that are alike once.
    """
    parts = {part: None for situation in situations for part in situation.parts}
    return Situation(
        " and ".join(situation.name for situation in situations),
        tuple(parts),
        changes_lr=any(situation.changes_lr for situation in situations),
        by_hand=any(situation.by_hand for situation in situations),
        other_dtype=any(situation.other_dtype for situation in situations),
    )


def other_dtype(dtype: torch.dtype) -> torch.dtype:
    """Choose the type in which mixed precision has gradients where parameters have another.

    Args:
        dtype: Of the parameters.

    Returns:
        That of the gradients.
    """
    return torch.float32 if dtype == torch.bfloat16 else torch.bfloat16


def make_parameter(part: Part, numbers: Tensor) -> Parameter:
    """Make a parameter as it lies in memory.

    Args:
        part: Says how.
        numbers: Its values, one-dimensional, in its dtype.

    Returns:
        The parameter.
    """
    return Parameter(_laid_out(numbers.view(part.shape), part.layout))


def make_gradient(part: Part, numbers: Tensor) -> Tensor:
    """Make a gradient as it arrives.

    Args:
        part: Says how.
        numbers: Its values, one-dimensional.

    Returns:
        The gradient, in memory of its own.
    """
    value = numbers.view(part.shape)
    if part.gradient == "transposed":
        return _transposed(value)
    if part.gradient == "view":
        return torch.stack([value, torch.full_like(value, 3.0)], dim=-1)[..., 0]
    if part.gradient == "expanded":
        return value[:1].clone().expand(part.shape)
    return _laid_out(value, part.layout)


def gradient_numbers(part: Part, numbers: Sequence[Tensor]) -> list[Tensor | None]:
    """Say what each update's gradient of a parameter is.

    Args:
        part: The parameter.
        numbers: Of each update, one-dimensional, float64.

    Returns:
        The values that arrive, one-dimensional; None where none does.
    """
    values: list[Tensor | None] = []
    for update, given in enumerate(numbers):
        value = given.clone()
        if part.gradient == "expanded":
            row = value.numel() // part.shape[0]
            value = value[:row].repeat(part.shape[0])
        if part.not_finite and update == 1:
            value[:6] = value.new_tensor([torch.inf, -torch.inf, torch.nan] * 2)
        values.append(None if update in part.missing else value)
    return values


def _laid_out(value: Tensor, layout: str) -> Tensor:
    """Copy a tensor into a layout."""
    if layout == "transposed":
        return _transposed(value)
    if layout == "channels_last":
        return value.clone(memory_format=torch.channels_last)
    return value.clone(memory_format=torch.contiguous_format)


def _transposed(value: Tensor) -> Tensor:
    """Keep the values and their shape, in column-major memory of their own."""
    return value.t().clone(memory_format=torch.contiguous_format).t()
