"""The state of an optimizer: before its first step, and what there is to see of it later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

from gradbench.rules.base import Rule, Slots


def start_state(
    optimizer: Optimizer,
    parameters: Sequence[Parameter],
    slots: Sequence[Slots],
    *,
    count_on_device: bool,
) -> None:
    """Give an optimizer its state now, so that its first step is as long as the others.

    Args:
        optimizer: An optimizer of torch.optim that has not taken a step.
        parameters: What it updates.
        slots: The moments of each parameter, all zero, by torch.optim's names.
        count_on_device: Where torch.optim keeps the step count: on the parameter's device for
            fused and capturable implementations, else on the host. SGD has none and ignores it.
    """
    for parameter, row in zip(parameters, slots, strict=True):
        device = parameter.device if count_on_device else "cpu"
        count = torch.zeros((), dtype=torch.float32, device=device)
        optimizer.state[parameter] = {**row, "step": count}


def optimizer_state(
    rule: Rule, optimizer: Optimizer, parameters: Sequence[Parameter]
) -> list[Mapping[str, Tensor | int]]:
    """Show what an optimizer keeps for each parameter.

    Args:
        rule: Gave the optimizer.
        optimizer: With the state of :func:`start_state`, also what this optimizer does not keep.
        parameters: What it updates.

    Returns:
        Tensors by torch.optim's names, of which ``step`` counts the updates.
    """
    matrix = Parameter(torch.zeros(2, 2))  # two dimensions: some optimizers take no other
    matrix.grad = torch.ones_like(matrix)
    alike = rule.optimizer([matrix])
    alike.step()
    kept = alike.state[matrix]
    return [
        {name: tensor for name, tensor in optimizer.state[p].items() if kept.get(name) is not None}
        for p in parameters
    ]
