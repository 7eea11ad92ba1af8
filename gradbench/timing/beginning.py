"""Where every contender's training begins, and how to get back there."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Beginning:
    """A module's values as they were when this was made.

    Args:
        module: To be brought back; its parameters and buffers keep their storage.
    """

    def __init__(self, module: nn.Module) -> None:
        self._parameters = list(module.parameters())
        self._tensors = [*self._parameters, *module.buffers()]
        self._storages = [tensor.detach() for tensor in self._tensors]
        self._values = [storage.clone() for storage in self._storages]
        self._hooks = [set(_hooks(parameter)) for parameter in self._parameters]

    def restore(self) -> None:
        """Put every value back, and no gradient."""
        for parameter in self._parameters:
            parameter.grad = None
        torch._foreach_copy_(self._storages, self._values)

    def disentangle(self) -> None:
        """Take away what a strategy may have left that raised: storage of its own, and hooks."""
        for tensor, storage in zip(self._tensors, self._storages, strict=True):
            tensor.data = storage
        for parameter, known in zip(self._parameters, self._hooks, strict=True):
            for key in set(_hooks(parameter)) - known:
                del _hooks(parameter)[key]


def _hooks(parameter: Tensor) -> dict[int, object]:
    """Return what backward calls after it has accumulated a gradient; a private name of torch."""
    return getattr(parameter, "_post_accumulate_grad_hooks", None) or {}
