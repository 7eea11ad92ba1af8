"""Every optimizer of the installed torch.optim, in each of its implementations."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

_IMPLEMENTATIONS: dict[str, dict[str, bool]] = {
    "for_loop": {"foreach": False},
    "foreach": {"foreach": True},
    "fused": {"fused": True},
}
"""PyTorch's words and the keywords that ask for them. An optimizer without the keyword ``foreach``
has only the for-loop."""


@dataclass(frozen=True)
class Variant:
    """An optimizer, an implementation of it, and options.

    Args:
        optimizer: The class.
        name: Its name in torch.optim.
        implementation: ``for_loop``, ``foreach`` or ``fused``.
        options: Keywords that differ from the defaults.
    """

    optimizer: type[Optimizer]
    name: str
    implementation: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Such as ``SGD foreach momentum=0.9``."""
        options = [f"{key}={value}" for key, value in self.options.items()]
        return " ".join([self.name, self.implementation, *options])

    def build(self, parameters: Iterable[Tensor], lr: float) -> Optimizer:
        """Construct the optimizer.

        Args:
            parameters: What it updates.
            lr: Learning rate.

        Returns:
            The optimizer, with no state yet; one that iterates within a step does so once.

        Raises:
            ValueError: It does not take these parameters.
            RuntimeError: The implementation does not run here.
        """
        takes = keywords(self.optimizer)
        asked = {"lr": lr, "max_iter": 1, **_IMPLEMENTATIONS[self.implementation]}
        chosen: dict[str, Any] = {key: value for key, value in asked.items() if key in takes}
        return self.optimizer(parameters, **chosen, **self.options)


def variants() -> list[Variant]:
    """List every optimizer of torch.optim in each implementation it has a keyword for.

    Returns:
        Variants with the default options, by name of the optimizer.
    """
    return [
        Variant(optimizer, name, implementation)
        for name, optimizer in sorted(_optimizers().items())
        for implementation, asked in _IMPLEMENTATIONS.items()
        if implementation == "for_loop" or asked.keys() <= keywords(optimizer).keys()
    ]


def keywords(optimizer: type[Optimizer]) -> Mapping[str, inspect.Parameter]:
    """Return what an optimizer's constructor takes, by name."""
    return inspect.signature(optimizer).parameters


def step_of(optimizer: Optimizer) -> Callable[[], object]:
    """Return an optimizer's step; one that needs a closure gets one that computes nothing.

    The gradients at hand then stand for those that the closure would have computed.

    Args:
        optimizer: Any.

    Returns:
        The step.
    """
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        return partial(optimizer.step, lambda: torch.zeros(()))
    return optimizer.step


def _optimizers() -> dict[str, type[Optimizer]]:
    return {
        name: kind
        for name, kind in vars(torch.optim).items()
        if isinstance(kind, type) and issubclass(kind, Optimizer) and kind is not Optimizer
    }
