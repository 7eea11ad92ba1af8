"""The in-place step of one tensor under ``torch.compile``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Rule, Slots
from gradbench.strategies.base import Binding, Strategy
from gradbench.strategies.probe import compiler_missing, flattening_refusal


class CompiledPerTensor(Strategy):
    """The rule's step of one tensor, compiled once for all sizes, in a loop over tensors.

    So a graph is called for each tensor: it has to be checked and launched as often. One graph over
    flattened tensors of any size takes seconds to compile for all models together.

    Source: documentation of torch.compile, "dynamic shapes".
    """

    def supports(self, rule: Rule, device: torch.device, dtype: torch.dtype) -> str | None:
        return flattening_refusal(rule) or compiler_missing(device)

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        compiled = compiled_step(rule, dynamic=True)
        rows = [
            (p, _line(p, p), {k: _line(v, p) for k, v in state.items()}, start_count(p))
            for p, state in zip(parameters, slots, strict=True)
        ]

        @torch.no_grad()
        def step() -> None:
            for parameter, line, state, count in rows:
                gradient = parameter.grad
                if gradient is not None:
                    count.add_(1)
                    compiled(line, _line(gradient, parameter), state, count)

        return Binding(step)


def compiled_step(rule: Rule, *, dynamic: bool) -> Callable[[Tensor, Tensor, Slots, Tensor], None]:
    """Compile a rule's step of one tensor.

    Args:
        rule: Whose step.
        dynamic: Whether one graph serves every size; else each size has its own.

    Returns:
        The step, for tensors of one dimension.
    """
    return _compile(rule, dynamic)  # type: ignore[arg-type]  # rules are frozen, so hashable


@lru_cache(maxsize=2)
def _compile(rule: Rule, dynamic: bool) -> Callable[[Tensor, Tensor, Slots, Tensor], None]:
    """Compile; kept, so that a block compiles once for all its cells and replicates."""
    # Now, so that its seconds are not taken for compiling.
    import gradbench.strategies.compiler  # noqa: F401

    return torch.compile(rule.step, dynamic=dynamic, fullgraph=True)


def start_count(parameter: Tensor) -> Tensor:
    """Make the count of a compiled step.

    A Python number would be a new graph for every update. It has the arithmetic of the step: βᵗ in
    float64, for each element anew, takes a GPU as long as the memory traffic, or longer.

    Args:
        parameter: Gives dtype and device.

    Returns:
        A 0-dim zero, float32 or wider.
    """
    dtype = torch.promote_types(parameter.dtype, torch.float32)
    return torch.zeros((), dtype=dtype, device=parameter.device)


def _line(tensor: Tensor, parameter: Tensor) -> Tensor:
    """Flatten where that moves no parameter, so that one graph serves every shape.

    ``.data`` forgets what the view is a view of: its rank would make a graph of its own.
    """
    return tensor.reshape(-1).data if parameter.is_contiguous() else tensor.data
