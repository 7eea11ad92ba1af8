"""What a strategy, the way a rule is carried out, gives to the measurement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Rule, Slots

Step = Callable[[], None]


def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Binding:
    """A strategy bound to the parameters of one cell.

    Args:
        step: Carries out one update from the gradients in ``.grad``.
        release: Leaves the parameters as they were found: hooks removed, storage given back.
    """

    step: Step
    release: Callable[[], None] = _nothing


class Strategy(Protocol):
    """How any rule is carried out."""

    @property
    def in_backward(self) -> bool:
        """Whether the update happens inside backward: only the training protocol can time it."""
        return False

    @property
    def flattens(self) -> bool:
        """Whether it moves tensors into one buffer, which such strategies of a replicate share."""
        return False

    @property
    def float32_count(self) -> bool:
        """Whether a float32 step count on the device limits the bias corrections' precision."""
        return False

    @property
    def rounded_corrections(self) -> bool:
        """Whether bias corrections are computed in the arithmetic of the step, not in float64."""
        return False

    @property
    def copies(self) -> int:
        """How many tensors of each parameter's size a cell holds for itself while it is bound."""
        return 0

    def supports(self, rule: Rule, device: torch.device, dtype: torch.dtype) -> str | None:
        """Say why the strategy cannot run.

        Args:
            rule: What it would carry out.
            device: Where the parameters would be; it need not be there.
            dtype: Their floating type.

        Returns:
            The reason, or None where it can run.
        """
        return None

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        """Bind a rule to the parameters of one cell, before the first update.

        Args:
            rule: What to carry out.
            parameters: What to update, all of one dtype and device, with or without ``.grad``.
            slots: The rule's state for each parameter, all zero. A strategy whose memory is its
                own business leaves them alone.

        Returns:
            The bound strategy.
        """
        ...


def columns(rule: Rule, slots: Sequence[Slots]) -> dict[str, list[Tensor]]:
    """Turn the state of each parameter into a list for each slot, as list steps take it.

    Args:
        rule: Names the slots.
        slots: State by parameter.

    Returns:
        For each slot a tensor per parameter that has it, in their order.
    """
    return {name: [row[name] for row in slots if name in row] for name in rule.slots}


def zero_slots(rule: Rule, parameter: Tensor) -> dict[str, Tensor]:
    """Make the state of one parameter before its first update.

    Args:
        rule: Names the slots.
        parameter: Gives shape, dtype and device.

    Returns:
        Zeros for each slot that a parameter of this shape has.
    """
    names = rule.slots_of(parameter.shape)
    return {name: torch.zeros_like(parameter, requires_grad=False) for name in names}
