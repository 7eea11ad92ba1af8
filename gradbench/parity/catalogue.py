"""The optimizers that torch.optim has, and the implementations that each offers."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.optim import Optimizer

SWITCHES = ("foreach", "fused", "capturable", "differentiable")
"""Arguments that choose an implementation; every other argument is an option."""

FOR_LOOP = "for_loop"
COMPILED = "compiled"


@dataclass(frozen=True)
class Entry:
    """An optimizer, as its signature describes it.

    Args:
        name: Name of the class.
        make: The class, called with parameters and options.
        parameters: Its arguments after the list of parameters, by name.
        closure: Whether ``step`` cannot do without a closure.
    """

    name: str
    make: Callable[..., Optimizer]
    parameters: dict[str, inspect.Parameter] = field(hash=False)
    closure: bool

    def implementations(self) -> dict[str, dict[str, Any]]:
        """Return the arguments that ask for each implementation, the for-loop first."""
        has = [name for name in SWITCHES if name in self.parameters]
        off = {name: False for name in has}
        choices: dict[str, dict[str, Any]] = {FOR_LOOP: off}
        for name in has:
            choices[name] = {**off, name: True}
        if "foreach" in has and "capturable" in has:
            choices["capturable_foreach"] = {**off, "foreach": True, "capturable": True}
        choices[COMPILED] = {}
        return choices


def catalogue(module: Any = torch.optim) -> list[Entry]:
    """List the optimizers of a module by name, read from their signatures.

    Args:
        module: Where to look: torch.optim, or something with its shape.

    Returns:
        An entry for each concrete subclass of Optimizer.
    """
    return [
        entry(value)
        for _, value in sorted(vars(module).items())
        if inspect.isclass(value) and issubclass(value, Optimizer) and value is not Optimizer
    ]


def entry(make: type[Optimizer]) -> Entry:
    """Describe one optimizer by its signature."""
    parameters = dict(inspect.signature(make).parameters)
    parameters.pop("params", None)
    closure = inspect.signature(make.step).parameters.get("closure")
    needed = closure is not None and closure.default is inspect.Parameter.empty
    return Entry(make.__name__, make, parameters, needed)
