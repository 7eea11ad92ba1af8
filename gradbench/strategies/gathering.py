"""Bringing gradients that backward allocated anew to the memory a step reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat
from operator import attrgetter, is_

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Unavailable

_GRADIENT = attrgetter("grad")


def all_gradients(parameters: Sequence[Parameter]) -> list[Tensor]:
    """Take the gradients of a step that updates all parameters at once.

    Args:
        parameters: Whose ``.grad`` to take.

    Returns:
        One for each parameter.

    Raises:
        Unavailable: A parameter has none: the step would be one of a stale gradient, or of half.
    """
    gradients = list(map(_GRADIENT, parameters))
    if any(map(is_, gradients, repeat(None))):
        raise Unavailable("updates all parameters at once, and a parameter's .grad is None")
    return gradients


class Gathering:
    """Brings gradients to the memory that a step reads, where they are not there yet.

    The first time it also puts that memory into ``.grad``: a zeroing that writes zeros keeps it
    there, and backward then adds to it, so that there is nothing to copy any more. Where ``.grad``
    is that memory when this is made, it is left to whoever put it there.

    Args:
        parameters: Whose ``.grad`` is gathered.
        targets: A tensor of the gradient's shape and dtype for each parameter.
        join: Copies all gradients at once, in the order of the parameters; raises TypeError where
            one is None.
    """

    def __init__(
        self,
        parameters: Sequence[Parameter],
        targets: Sequence[Tensor],
        join: Callable[[list[Tensor]], None] | None = None,
    ) -> None:
        self._parameters, self._targets, self._join = parameters, targets, join
        self._handed = all(map(is_, map(_GRADIENT, parameters), targets))

    def __call__(self) -> None:
        """Copy every gradient that is not its target itself into its target.

        Raises:
            Unavailable: A parameter has no gradient, so that its target would be stale.
        """
        gradients = list(map(_GRADIENT, self._parameters))
        if all(map(is_, gradients, self._targets)):
            return
        # What joins must not read what it writes.
        if self._join is None or any(map(is_, gradients, self._targets)):
            self._copy(all_gradients(self._parameters))
        else:
            try:
                self._join(gradients)
            except TypeError:
                all_gradients(self._parameters)  # says which one is missing
                raise
        if not self._handed:
            for parameter, target in zip(self._parameters, self._targets, strict=True):
                parameter.grad = target
            self._handed = True

    def _copy(self, gradients: Sequence[Tensor]) -> None:
        """Copy those that are not there."""
        pairs = [(t, g) for t, g in zip(self._targets, gradients, strict=True) if g is not t]
        torch._foreach_copy_([target for target, _ in pairs], [gradient for _, gradient in pairs])
