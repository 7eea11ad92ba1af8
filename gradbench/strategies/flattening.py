"""One contiguous buffer for the parameters, one for the gradients, as views."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter, is_
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Rule, Slots
from gradbench.strategies.base import columns
from gradbench.strategies.gathering import gather

_GRADIENT = attrgetter("grad")

Joined: TypeAlias = tuple[slice, Tensor, Callable[..., Tensor]]


@dataclass(frozen=True)
class Flattened:
    """Parameters whose storage, and that of their gradients, is one buffer each.

    Tensors that differ in their first dimension only lie side by side, so that one concatenation
    brings the gradients of all of them into the buffer.

    Args:
        parameters: In the buffer's order.
        buffer: All parameters, one-dimensional; a leaf whose ``.grad`` holds all gradients.
        views: Each parameter's part of ``buffer.grad``.
        storages: What each parameter's storage was before.
        joined: Slices of ``parameters``, each with its part of ``buffer.grad`` and what joins
            gradients there.
    """

    parameters: list[Parameter]
    buffer: Parameter
    views: list[Tensor]
    storages: list[Tensor]
    joined: list[Joined]

    def gather(self) -> None:
        """Bring gradients that backward allocated anew into the buffer.

        Raises:
            RuntimeError: A parameter has no gradient, so that its part would be stale.
        """
        gradients = list(map(_GRADIENT, self.parameters))
        if all(map(is_, gradients, self.views)):
            return
        if any(map(is_, gradients, self.views)):  # concatenation must not read what it writes
            return gather(self.parameters, self.views)
        try:
            for part, target, join in self.joined:
                join(gradients[part], out=target)
        except TypeError:  # one is None: say which rule that breaks
            gather(self.parameters, self.views)
            raise

    def release(self) -> None:
        """Give the parameters their own storage back."""
        for parameter, storage in zip(self.parameters, self.storages, strict=True):
            parameter.grad = None
            parameter.data = storage


def order(shapes: Sequence[torch.Size]) -> list[int]:
    """Order tensors for a flat buffer: those with the same trailing dimensions side by side.

    Args:
        shapes: Of the tensors.

    Returns:
        Positions in ``shapes``, stable within a group.
    """
    return sorted(range(len(shapes)), key=lambda index: _trailing(shapes[index]))


def flatten(parameters: Sequence[Parameter]) -> Flattened:
    """Move parameters and gradients into one buffer each.

    What lies in one buffer already, as :func:`cut` leaves it, stays where it is.

    Args:
        parameters: Leaves of one dtype and device, with or without ``.grad``; their storage and
            gradients are views of the buffers afterwards.

    Returns:
        The flattened parameters.
    """
    ordered = [parameters[index] for index in order([p.shape for p in parameters])]
    storages = [parameter.data for parameter in ordered]
    buffer = Parameter(join(parameters))
    gradients = [parameter.grad for parameter in ordered]
    found = _buffer_of([gradient for gradient in gradients if gradient is not None])
    joined = found is not None and found.numel() == buffer.numel()
    buffer.grad = found if joined else torch.zeros_like(buffer)
    assert buffer.grad is not None
    views = _views(buffer.grad, storages)
    for parameter, value, view in zip(ordered, _views(buffer.data, storages), views, strict=True):
        if parameter.grad is not None and not joined:
            view.copy_(parameter.grad)
        parameter.data = value
        parameter.grad = view
    return Flattened(ordered, buffer, views, storages, list(_joined(storages, buffer.grad)))


def flat_state(rule: Rule, slots: Sequence[Slots], buffer: Tensor) -> Slots:
    """Give a flat buffer its state.

    Args:
        rule: Names the slots.
        slots: State of each parameter, all zero.
        buffer: All parameters, one-dimensional.

    Returns:
        For each slot the buffer in which the parameters' state lies already, or else new zeros.
    """
    state = {}
    for name, tensors in columns(rule, slots).items():
        found = _buffer_of([tensors[index] for index in order([t.shape for t in tensors])])
        state[name] = torch.zeros_like(buffer) if found is None else found
    return state


def join(tensors: Sequence[Tensor]) -> Tensor:
    """Put tensors into one buffer, in the order of :func:`order`.

    Args:
        tensors: Of one dtype and device.

    Returns:
        One-dimensional: the buffer they are in already, or else a copy.
    """
    ordered = [tensors[index].detach() for index in order([t.shape for t in tensors])]
    found = _buffer_of(ordered)
    return torch.cat([tensor.reshape(-1) for tensor in ordered]) if found is None else found


def cut(buffer: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """Cut a buffer into views that lie as :func:`join` puts tensors.

    Args:
        buffer: One-dimensional.
        like: Tensors with as many elements.

    Returns:
        A view for each of ``like``, of its shape.
    """
    positions = order([tensor.shape for tensor in like])
    views = dict(zip(positions, _views(buffer, [like[i] for i in positions]), strict=True))
    return [views[index] for index in range(len(like))]


def _buffer_of(tensors: Sequence[Tensor]) -> Tensor | None:
    """Return the buffer in which tensors lie side by side; None where they do not."""
    if not tensors or not all(tensor.is_contiguous() for tensor in tensors):
        return None
    first = tensors[0]
    memory, offset = first.untyped_storage().data_ptr(), first.storage_offset()
    for tensor in tensors:
        if (tensor.untyped_storage().data_ptr(), tensor.storage_offset()) != (memory, offset):
            return None
        offset += tensor.numel()
    elements = offset - first.storage_offset()
    return first.detach().as_strided((elements,), (1,), first.storage_offset())


def _joined(storages: Sequence[Tensor], gradients: Tensor) -> Iterator[Joined]:
    """Cut the gradients' buffer where the trailing dimensions change."""
    start = offset = 0
    for (dimensions, *trailing), group in groupby(storages, key=lambda s: _trailing(s.shape)):
        members = list(group)
        elements = sum(storage.numel() for storage in members)
        rows = sum(len(storage) for storage in members) if dimensions else elements
        part = slice(start, start + len(members))
        target = gradients[offset : offset + elements].view(rows, *trailing)
        yield part, target, torch.cat if dimensions else torch.stack
        start, offset = part.stop, offset + elements


def _trailing(shape: torch.Size) -> tuple[int, ...]:
    return (len(shape), *shape[1:])


def _views(buffer: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """Cut a flat buffer into views with the shapes of ``like``."""
    pieces = buffer.split([tensor.numel() for tensor in like])
    return [piece.view(tensor.shape) for piece, tensor in zip(pieces, like, strict=True)]
