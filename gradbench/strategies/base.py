"""What a strategy, the way a rule is carried out, gives to the measurement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Rule, Slots

Step = Callable[[], None]

State: TypeAlias = Callable[[], Sequence[Mapping[str, Tensor | int]]]
"""Shows each parameter's slots by name, with ``step``, the updates it has taken."""


def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Binding:
    """A strategy bound to the parameters of one cell.

    Args:
        step: Carries out one update from the gradients in ``.grad``.
        release: Leaves the parameters as they were found: hooks removed, storage given back.
        set_lr: Changes the learning rate from the next step on; None where binding fixed it.
        state: Shows the state of each parameter, in their order; None where it is hidden. What a
            strategy does not keep is absent.
    """

    step: Step
    release: Callable[[], None] = _nothing
    set_lr: Callable[[float], None] | None = None
    state: State | None = None


@dataclass(frozen=True)
class Approximation:
    """What a strategy promises that rounds by design: state in 8 bits, stochastic rounding.

    Args:
        update_error: Largest relative error of what many updates add up to, ‖Δ − Δ*‖ / ‖Δ*‖.
        unbiased: Whether the error is zero on average, as stochastic rounding's is.
    """

    update_error: float
    unbiased: bool = False


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
    def approximation(self) -> Approximation | None:
        """What it promises instead of the rule to the last bit; None where it keeps to the rule."""
        return None

    @property
    def copies(self) -> int:
        """How many tensors of each parameter's size a cell holds for itself while it is bound."""
        return 0

    @property
    def shapes_compiled(self) -> bool:
        """Whether tensors of other shapes are compiled anew, which may take seconds."""
        return False

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
            The bound strategy. Its step leaves a parameter alone whose ``.grad`` is None, and its
            count too, as torch.optim does; one that cannot raises ``Unavailable`` before it has
            written anything.

        Raises:
            Unavailable: It cannot carry the rule out on these parameters.
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
