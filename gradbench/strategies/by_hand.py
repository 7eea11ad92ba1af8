"""What every update by hand writes: the loop over parameters, or the call with lists of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Count, Slots
from gradbench.strategies.base import Step

Apply: TypeAlias = Callable[[Parameter, Tensor, Slots, Count], None]
ApplyToLists: TypeAlias = Callable[
    [list[Tensor], list[Tensor], Mapping[str, list[Tensor]], Count], None
]


def loop(apply: Apply, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Step:
    """Make the step that visits each parameter with a gradient.

    Args:
        apply: Updates one parameter from its gradient and state; the count starts at 1.
        parameters: What to visit.
        slots: State of each parameter.

    Returns:
        The step.
    """
    rows = list(zip(parameters, slots, strict=True))
    count = 0

    def step() -> None:
        nonlocal count
        count += 1
        for parameter, state in rows:
            gradient = parameter.grad
            if gradient is not None:
                apply(parameter, gradient, state, count)

    return step


def at_once(
    apply: ApplyToLists, parameters: Sequence[Parameter], slots: Mapping[str, list[Tensor]]
) -> Step:
    """Make the step that hands over all parameters in lists; each must have a gradient.

    Args:
        apply: Updates the parameters from their gradients and state; the count starts at 1.
        parameters: What to update.
        slots: For each name a tensor per parameter that has it.

    Returns:
        The step.
    """
    written: list[Tensor] = list(parameters)
    count = 0

    def step() -> None:
        nonlocal count
        count += 1
        # A missing gradient is a TypeError of the kernel, not a silent skip.
        gradients = [parameter.grad for parameter in parameters]
        apply(written, gradients, slots, count)  # type: ignore[arg-type]

    return step
