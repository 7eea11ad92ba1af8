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
        rows = []
        for parameter, state in zip(parameters, slots, strict=True):
            if parameter.numel() == 0:  # nothing to update, and a graph of its own
                continue
            axes = _axes(parameter)
            lines = {name: _line(slot, axes) for name, slot in state.items()}
            rows.append((parameter, axes, _line(parameter, axes), lines, start_count(parameter)))

        @torch.no_grad()
        def step() -> None:
            for parameter, axes, line, state, count in rows:
                gradient = parameter.grad
                if gradient is not None:
                    count.add_(1)
                    compiled(line, _line(gradient, axes), state, count)

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


def _axes(parameter: Tensor) -> tuple[int, ...] | None:
    """Order the axes as they lie in memory: none of a contiguous tensor, None where gaps are."""
    if parameter.is_contiguous():
        return ()
    axes = tuple(sorted(range(parameter.dim()), key=parameter.stride, reverse=True))
    return axes if parameter.permute(axes).is_contiguous() else None


def _line(tensor: Tensor, axes: tuple[int, ...] | None) -> Tensor:
    """Flatten where that moves no parameter, so that one graph serves every shape and layout.

    ``.data`` forgets what the view is a view of: its rank would make a graph of its own.
    """
    if axes is None:
        return tensor.data
    return (tensor.permute(axes) if axes else tensor).reshape(-1).data
