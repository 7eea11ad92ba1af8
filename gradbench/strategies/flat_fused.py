"""One contiguous buffer for all parameters, and nothing but the fused kernel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Rule, Slots
from gradbench.strategies.base import Binding, Strategy, columns
from gradbench.strategies.flattening import flat_state, flatten
from gradbench.strategies.probe import flattening_refusal, fused_refusal


class FlatFused(Strategy):
    """Like ``flat``, without the Python of ``optimizer.step()`` around the kernel.

    For many small tensors that Python takes several times what the kernel does. There are no
    hooks, no param groups and no optimizer state to save: the moments are flat tensors. Parameters
    stay what the module's forward pass and ``state_dict`` use; every one must have a gradient.
    """

    @property
    def flattens(self) -> bool:
        return True

    def supports(self, rule: Rule, device: torch.device, dtype: torch.dtype) -> str | None:
        return flattening_refusal(rule) or fused_refusal(rule, device, dtype)

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        flat = flatten(parameters)
        buffer = flat.buffer.detach()
        gradient = flat.buffer.grad
        assert gradient is not None  # flatten makes it
        state = columns(rule, [flat_state(rule, slots, buffer)])
        count = torch.zeros((), dtype=torch.float32, device=buffer.device)

        taken = 0  # no kernel advances its count where the update does not depend on it

        @torch.no_grad()
        def step() -> None:
            nonlocal taken
            flat.gather()
            rule.step_fused([buffer], [gradient], state, [count])
            taken += 1

        def set_lr(lr: float) -> None:
            nonlocal rule
            rule = rule.with_lr(lr)

        def shown() -> list[dict[str, Tensor | int]]:
            slots = {name: tensors[0] for name, tensors in state.items()}
            return flat.cut({**slots, "step": taken})

        return Binding(step, flat.release, set_lr, shown)
