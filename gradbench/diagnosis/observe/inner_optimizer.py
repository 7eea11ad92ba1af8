"""Optimizers that step with another, such as accelerate's."""

from __future__ import annotations

from torch.optim import Optimizer


def inner_optimizer(optimizer: Optimizer) -> Optimizer:
    """Return the optimizer that an optimizer steps with.

    Args:
        optimizer: An optimizer.

    Returns:
        The one that it holds as an attribute, and so on; itself where it holds none.
    """
    seen = {id(optimizer)}
    while True:
        held = (each for each in vars(optimizer).values() if isinstance(each, Optimizer))
        inner = next((each for each in held if id(each) not in seen), None)
        if inner is None:
            return optimizer
        seen.add(id(inner))
        optimizer = inner
