"""What every update by hand writes: the loop over parameters, or the call with lists of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Count, Rule, Slots
from gradbench.strategies.base import Binding, columns
from gradbench.strategies.gathering import all_gradients

Apply: TypeAlias = Callable[[Any, Parameter, Tensor, Slots, Count], None]
ApplyToLists: TypeAlias = Callable[
    [Any, list[Tensor], list[Tensor], Mapping[str, list[Tensor]], Count], None
]


def loop(
    apply: Apply,
    rule: Rule,
    parameters: Sequence[Parameter],
    slots: Sequence[Slots],
    *,
    no_grad: bool = False,
    release: Callable[[], None] | None = None,
) -> Binding:
    """Bind the step that visits each parameter with a gradient.

    Each parameter has a count of its own, as in torch.optim: one that had no gradient is not
    counted as updated.

    Args:
        apply: Updates one parameter by a rule, from its gradient and state; the count starts at 1.
        rule: What is carried out.
        parameters: What to visit.
        slots: State of each parameter.
        no_grad: Whether the step runs under ``torch.no_grad()``.
        release: Undoes what binding did.

    Returns:
        The bound loop.
    """
    bound = rule
    rows: list[list[Any]] = [[p, state, 0] for p, state in zip(parameters, slots, strict=True)]

    def step() -> None:
        current = rule
        for row in rows:
            parameter, state, count = row
            gradient = parameter.grad
            if gradient is not None:
                row[2] = count = count + 1
                apply(current, parameter, gradient, state, count)

    def set_lr(lr: float) -> None:
        nonlocal rule
        rule = bound.with_lr(lr)

    def state() -> list[Mapping[str, Tensor | int]]:
        return [{**slots, "step": count} for _, slots, count in rows]

    stepping = torch.no_grad()(step) if no_grad else step
    return Binding(stepping, release or (lambda: None), set_lr, state)


def at_once(
    apply: ApplyToLists, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]
) -> Binding:
    """Bind the step that hands over all parameters in lists; each must have a gradient.

    Args:
        apply: Updates the parameters by a rule, from their gradients and state; the count starts
            at 1.
        rule: What is carried out.
        parameters: What to update.
        slots: State of each parameter.

    Returns:
        The bound step, which runs under ``torch.no_grad()``.
    """
    written: list[Tensor] = list(parameters)
    bound, lists = rule, columns(rule, slots)
    count = 0

    @torch.no_grad()
    def step() -> None:
        nonlocal count
        gradients = all_gradients(parameters)
        count += 1
        apply(rule, written, gradients, lists, count)

    def set_lr(lr: float) -> None:
        nonlocal rule
        rule = bound.with_lr(lr)

    def state() -> list[Mapping[str, Tensor | int]]:
        return [{**row, "step": count} for row in slots]

    return Binding(step, set_lr=set_lr, state=state)
