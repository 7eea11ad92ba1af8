"""Bringing gradients that backward allocated anew to the memory a step reads."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import Parameter


def gather(parameters: Sequence[Parameter], targets: Sequence[Tensor]) -> None:
    """Copy every gradient that is not its target itself into its target.

    Args:
        parameters: Whose ``.grad`` is gathered.
        targets: A tensor of the gradient's shape and dtype for each parameter.

    Raises:
        RuntimeError: A parameter has no gradient, so that its target would be stale.
    """
    foreign: list[Tensor] = []
    to: list[Tensor] = []
    for parameter, target in zip(parameters, targets, strict=True):
        gradient = parameter.grad
        if gradient is target:
            continue
        if gradient is None:
            raise RuntimeError("a step over all gradients at once, but a parameter's .grad is None")
        foreign.append(gradient)
        to.append(target)
    if foreign:
        torch._foreach_copy_(to, foreign)
