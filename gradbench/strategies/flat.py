"""One contiguous buffer for all parameters, one for all gradients."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Rule, Slots
from gradbench.strategies.base import Binding, Strategy
from gradbench.strategies.gathering import gather


class Flat(Strategy):
    """Parameters and gradients become views of one buffer each, updated by one fused step.

    Gradients that backward allocates anew, after a zeroing that releases them, are gathered into
    the buffer at every step. The state is the fused optimizer's own, on the one flat parameter.
    Every parameter must have a gradient.
    """

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        storages = [parameter.data for parameter in parameters]
        buffer = Parameter(torch.cat([storage.reshape(-1) for storage in storages]))
        buffer.grad = torch.zeros_like(buffer)
        views = _views(buffer.grad, storages)
        for parameter, value, view in zip(
            parameters, _views(buffer.data, storages), views, strict=True
        ):
            if parameter.grad is not None:
                view.copy_(parameter.grad)
            parameter.data = value
            parameter.grad = view
        optimizer = rule.optimizer([buffer], fused=True)

        def step() -> None:
            gather(parameters, views)
            optimizer.step()

        def release() -> None:
            for parameter, storage in zip(parameters, storages, strict=True):
                parameter.grad = None
                parameter.data = storage

        return Binding(step, release)


def _views(buffer: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """Cut a flat buffer into views with the shapes of ``like``."""
    pieces = buffer.split([tensor.numel() for tensor in like])
    return [piece.view(tensor.shape) for piece, tensor in zip(pieces, like, strict=True)]
