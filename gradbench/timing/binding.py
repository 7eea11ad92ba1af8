"""Strategies and zeroings bound to one replicate's tensors, as arms to sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.devices.base import Device
from gradbench.rules.base import Rule
from gradbench.strategies.base import Strategy
from gradbench.timing.arms import Arm, naming
from gradbench.timing.compilation import Compilation
from gradbench.timing.contender import Contender
from gradbench.timing.losses import Losses
from gradbench.verify.tensors import Tensors
from gradbench.zeroing.base import Zeroing


class Control(Protocol):
    """Something whose time says what the machine gives at that moment."""

    def allocate(self, device: torch.device) -> Callable[[], object]:
        """Allocate what it works on; return the call to time."""
        ...


class Bound:
    """Arms on one replicate's tensors.

    Args:
        device: Where.
        rule: What is carried out.
        tensors: The replicate's.
        controls: What is timed beside the cells, by name.
        compilation: Told whose binding compiled.
    """

    def __init__(
        self,
        device: Device,
        rule: Rule,
        tensors: Tensors,
        controls: Mapping[str, Control],
        compilation: Compilation,
    ) -> None:
        self._compilation = compilation
        self._rule, self._tensors = rule, tensors
        self.arms = [
            Arm(name, "update", control.allocate(device.torch_device))
            for name, control in controls.items()
        ]
        self._releases: list[tuple[str, Callable[[], None]]] = []

    @property
    def bytes(self) -> int:
        """Bytes of the parameters and their gradients."""
        tensors = (*self._tensors.values, *self._tensors.gradients)
        return sum(tensor.numel() * tensor.itemsize for tensor in tensors)

    def bind(self, contenders: Sequence[Contender], zeroings: Sequence[Contender] = ()) -> None:
        """Bind contenders, and the zeroing of others.

        Args:
            contenders: Whose updates to bind.
            zeroings: Whose zeroings to bind, each once, under the first one's name.

        Raises:
            ArmRaised: One raised.
        """
        for contender in contenders:
            name = contender.cell.name
            with naming(name, "update", "update: bind"):
                step, release = bind_with_gradients(
                    contender.strategy, contender.zeroing, self._rule, self._tensors
                )
            self._compilation.credit(name)
            self.arms.append(Arm(name, "update", step))
            self._releases.append((name, release))
        first: dict[str, Contender] = {}
        for contender in zeroings:
            first.setdefault(contender.cell.zeroing, contender)
        if first:
            self._bind_zeroings(list(first.values()))

    def _bind_zeroings(self, contenders: Sequence[Contender]) -> None:
        # Zeroings write elsewhere: zeros in the shared gradients would let the state decay into
        # subnormal numbers, and those are slow.
        spent = [self._tensors.like(g).zero_() for g in self._tensors.gradients]
        for contender in contenders:
            name = contender.cell.name
            with naming(name, "zero", "zero: bind"):
                self.arms.append(_zero_arm(name, contender.zeroing, self._tensors, spent))

    def release(self, losses: Losses) -> None:
        """Release every contender that was bound."""
        for name, release in self._releases:
            with losses.catch("timing: release", name):
                release()


def bind_with_gradients(
    strategy: Strategy, zeroing: Zeroing, rule: Rule, tensors: Tensors
) -> tuple[Callable[[], None], Callable[[], None]]:
    """Bind a strategy to parameters whose gradients are as its zeroing and backward leave them.

    Args:
        strategy: What to bind.
        zeroing: Where it releases gradients, they are foreign to the strategy's own memory.
        rule: What the strategy carries out.
        tensors: What it is carried out on.

    Returns:
        The step and the release.
    """
    bound = tensors.flat if strategy.flattens else tensors
    parameters = bound.parameters()
    # What has memory of its own for gradients takes this for it, and does not put it into .grad.
    own = [tensors.like(g) for g in bound.gradients] if strategy.copies else bound.gradients
    for parameter, gradient in zip(parameters, own, strict=True):
        parameter.grad = gradient
    binding = strategy.bind(rule, parameters, bound.slots)
    for parameter, gradient in zip(parameters, tensors.gradients, strict=True):
        if zeroing.releases or parameter.grad is None:
            parameter.grad = gradient
        elif parameter.grad is not gradient:
            parameter.grad.copy_(gradient)
    return binding.step, binding.release


def _zero_arm(name: str, zeroing: Zeroing, tensors: Tensors, spent: Sequence[Tensor]) -> Arm:
    """Make the arm of a zeroing on gradients of its own."""
    parameters = [Parameter(value) for value in tensors.values]

    def attach_copies() -> None:
        for parameter, gradient in zip(parameters, spent, strict=True):
            # Nobody else holds them: giving memory back is part of what releasing costs.
            parameter.grad = gradient.clone()

    clear = zeroing.bind(parameters)
    if zeroing.releases:
        return Arm(name, "zero", clear, restore=attach_copies)
    for parameter, gradient in zip(parameters, spent, strict=True):
        parameter.grad = gradient
    return Arm(name, "zero", clear)
