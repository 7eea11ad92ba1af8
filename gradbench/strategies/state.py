"""The state of an optimizer before its first step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import Parameter
from torch.optim import Optimizer

from gradbench.rules.base import Slots


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
