"""One contiguous buffer for all parameters, one for all gradients."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Rule, Slots
from gradbench.strategies.base import Binding, Strategy
from gradbench.strategies.flattening import flat_state, flatten
from gradbench.strategies.probe import flattening_refusal, optimizer_refusal
from gradbench.strategies.state import optimizer_state, start_state


class Flat(Strategy):
    """Parameters and gradients become views of one buffer each, updated by one fused step.

    Gradients that backward allocates anew, after a zeroing that releases them, are gathered into
    the buffer at every step. The state is the fused optimizer's own, on the one flat parameter.
    Every parameter must have a gradient.
    """

    @property
    def flattens(self) -> bool:
        return True

    def supports(self, rule: Rule, device: torch.device, dtype: torch.dtype) -> str | None:
        return flattening_refusal(rule) or optimizer_refusal(rule, device, dtype, {"fused": True})

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        flat = flatten(parameters)
        optimizer = rule.optimizer([flat.buffer], fused=True)
        state = flat_state(rule, slots, flat.buffer.detach())
        start_state(optimizer, [flat.buffer], [state], count_on_device=True)

        def step() -> None:
            flat.gather()
            optimizer.step()

        def set_lr(lr: float) -> None:
            optimizer.param_groups[0]["lr"] = lr

        def shown() -> list[dict[str, Tensor | int]]:
            [kept] = optimizer_state(rule, optimizer, [flat.buffer])
            return flat.cut(kept)

        return Binding(step, flat.release, set_lr, shown)
