"""One contiguous buffer for all parameters, updated by one compiled kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Rule, Slots
from gradbench.strategies.base import Binding, Strategy
from gradbench.strategies.compiled_per_tensor import compiled_step, start_count
from gradbench.strategies.flattening import flat_state, flatten
from gradbench.strategies.probe import compiler_missing, flattening_refusal


@dataclass(frozen=True)
class FlatCompiled(Strategy):
    """Like ``flat_fused``, with the rule's step under ``torch.compile`` in place of a fused kernel.

    So every rule has it, and one pass over memory. Every parameter must have a gradient.

    Args:
        dynamic: Whether one graph serves buffers of every size. None is so on the CPU, where
            compiling takes seconds; on a GPU kernels are tuned to the first size they meet, so that
            each size has a graph of its own.

    Source: documentation of torch.compile, "dynamic shapes".
    """

    dynamic: bool | None = None

    @property
    def flattens(self) -> bool:
        return True

    def supports(self, rule: Rule, device: torch.device, dtype: torch.dtype) -> str | None:
        return flattening_refusal(rule) or compiler_missing(device)

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        flat = flatten(parameters)
        buffer = flat.buffer.data  # as parameters and buffer share no version anyway
        gradient = flat.buffer.grad
        assert gradient is not None  # flatten makes it
        state = flat_state(rule, slots, buffer)
        dynamic = buffer.device.type == "cpu" if self.dynamic is None else self.dynamic
        compiled = compiled_step(rule, dynamic=dynamic)
        count = start_count(buffer)

        @torch.no_grad()
        def step() -> None:
            flat.gather()
            count.add_(1)
            compiled(buffer, gradient, state, count)

        def shown() -> list[dict[str, Tensor | int]]:
            return flat.cut({**state, "step": count})

        return Binding(step, flat.release, state=shown)
