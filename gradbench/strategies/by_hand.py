"""The loop over parameters that every update by hand writes."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Count, Slots
from gradbench.strategies.base import Step

Apply: TypeAlias = Callable[[Parameter, Tensor, Slots, Count], None]


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
