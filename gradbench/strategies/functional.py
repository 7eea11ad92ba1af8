"""The function behind ``optimizer.step()``: torch.optim's update of lists of tensors."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from torch import Tensor
from torch.optim import Optimizer


@dataclass(frozen=True)
class FunctionalCall:
    """The call that a step of an optimizer makes.

    Args:
        function: Updates lists of tensors in place, such as ``torch.optim.adam.adam``.
        lists: Its positional arguments: parameters, gradients, then the state; each has an item
            per parameter, or none where the optimizer has no such state.
        keywords: Its options.
    """

    function: Callable[..., None]
    lists: Sequence[list[Tensor]]
    keywords: Mapping[str, Any]


def functional_refusal(optimizer: Optimizer) -> str | None:
    """Say why an optimizer's step is no function of lists.

    Args:
        optimizer: Any.

    Returns:
        The reason, or None where it is one.
    """
    if _function_name(optimizer) is None:
        return f"{type(optimizer).__name__}.step is no function of lists of tensors"
    return None


def functional_call(optimizer: Optimizer) -> FunctionalCall:
    """See which call a step makes: take it, with that call left out.

    The step runs in a copy whose global name for the function is a recorder, so that nothing of
    torch.optim is changed.

    Args:
        optimizer: One group of parameters, all with a gradient; its step count does not advance.

    Returns:
        The call.

    Source: torch.optim, "Functional API" of each algorithm; relies on ``step`` calling it by its
    global name, as in torch 2.5 to 2.13.
    """
    step, name = inspect.unwrap(type(optimizer).step), _function_name(optimizer)
    assert isinstance(step, FunctionType)  # so _function_name found it
    assert name is not None
    calls: list[FunctionalCall] = []

    def recorder(*lists: list[Tensor], **keywords: Any) -> None:
        calls.append(FunctionalCall(step.__globals__[name], lists, keywords))

    names = {**step.__globals__, name: recorder}
    copy = FunctionType(step.__code__, names, name, step.__defaults__, step.__closure__)
    copy(optimizer)
    (call,) = calls
    return call


def _function_name(optimizer: Optimizer) -> str | None:
    """Find the global function of a step whose first arguments are parameters and gradients."""
    step = inspect.unwrap(type(optimizer).step)
    if not isinstance(step, FunctionType):
        return None
    for name in step.__code__.co_names:
        function = step.__globals__.get(name)
        if isinstance(function, FunctionType):
            taken = list(inspect.signature(function).parameters)
            if taken[:1] == ["params"]:
                return name
    return None
