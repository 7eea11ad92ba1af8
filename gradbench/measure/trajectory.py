"""The float64 run of a model's training steps: which tensors train, and their true gradients."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gradbench.models.base import Batch, loss, place
from gradbench.rules.base import Rule

_PIECE = 1 << 16
"""Elements updated at a time; rules are element-wise."""


@dataclass(frozen=True)
class Trajectory:
    """Gradients along a float64 run.

    Args:
        gradients: For each training step the gradient in ``.grad`` after backward by parameter
            name, rounded to the block's dtype or float32, whichever is wider; parameters that
            get none are absent.
    """

    gradients: list[dict[str, Tensor]]


def trained_parameters(module: nn.Module, batch: Batch) -> list[str]:
    """Name the parameters that get a gradient.

    Args:
        module: Left as it is, gradients cleared.
        batch: On the module's device.

    Returns:
        Names in the module's order.
    """
    loss(module, batch).backward()
    names = [name for name, p in module.named_parameters() if p.grad is not None]
    module.zero_grad(set_to_none=True)
    return names


def follow(
    module: nn.Module, batch: Batch, rule: Rule, steps: int, seed: int, *, accumulates: bool
) -> Trajectory:
    """Train a float64 copy with the rule's reference.

    Args:
        module: Where to start from; left alone.
        batch: The batch of every step.
        rule: Whose reference updates the copy.
        steps: Number of steps.
        seed: Seed of the step's random numbers, plus the step's number.
        accumulates: Whether gradients add up over the steps.

    Returns:
        The gradients.

    Raises:
        RuntimeError: The module does not run in float64.
    """
    first = next(module.parameters())
    kept = torch.promote_types(first.dtype, torch.float32)
    twin, twin_batch = place(copy.deepcopy(module), batch, first.device, torch.float64)
    parameters = dict(twin.named_parameters())
    slots = {
        name: {slot: torch.zeros_like(p.detach()) for slot in rule.slots}
        for name, p in parameters.items()
    }
    record = []
    for step in range(steps):
        torch.manual_seed(seed + step)
        loss(twin, twin_batch).backward()
        present = {name: p for name, p in parameters.items() if p.grad is not None}
        record.append({name: _gradient(p).to(kept, copy=True) for name, p in present.items()})
        for name, parameter in present.items():
            _update(rule, parameter.detach(), _gradient(parameter), slots[name], step + 1)
        if not accumulates:
            twin.zero_grad(set_to_none=True)
    return Trajectory(record)


def _update(
    rule: Rule, parameter: Tensor, gradient: Tensor, slots: Mapping[str, Tensor], count: int
) -> None:
    """Follow the reference in place, in pieces whose temporaries stay in the cache."""
    pieces = [t.view(-1).split(_PIECE) for t in (parameter, gradient.contiguous(), *slots.values())]
    for value, slope, *state in zip(*pieces, strict=True):
        before = dict(zip(slots, state, strict=True))
        following, after = rule.reference(value, slope, before, count)
        value.copy_(following)
        for name, tensor in before.items():
            tensor.copy_(after[name])


def _gradient(parameter: Tensor) -> Tensor:
    """Return a gradient that is known to be there."""
    if parameter.grad is None:
        raise RuntimeError("the parameter has no gradient")
    return parameter.grad
