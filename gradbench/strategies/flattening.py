"""One contiguous buffer for the parameters, one for the gradients, as views."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby, pairwise
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Rule, Slots, Unavailable
from gradbench.strategies.base import columns
from gradbench.strategies.gathering import Gathering

Empty: TypeAlias = Callable[[torch.Size, torch.dtype, torch.device], Tensor]
"""Allocates a contiguous tensor of arbitrary values."""

Joined: TypeAlias = tuple[slice, Callable[[list[Tensor]], object]]


@dataclass(frozen=True)
class Flattened:
    """Parameters whose storage is one buffer, and a buffer for their gradients.

    Contiguous tensors that differ in their first dimension only lie side by side, so that one
    concatenation brings the gradients of all of them into the buffer. Others come after them, each
    with its own strides.

    Args:
        parameters: In the buffer's order.
        positions: Of each of them among the parameters as they were given.
        buffer: All parameters, one-dimensional; a leaf whose ``.grad`` holds all gradients.
        storages: What each parameter's storage was before, in the buffer's order.
        gather: Brings all gradients into ``buffer.grad``, and the first time its views into
            ``.grad``; raises Unavailable where one is None.
    """

    parameters: list[Parameter]
    positions: list[int]
    buffer: Parameter
    storages: list[Tensor]
    gather: Callable[[], None]

    def cut(self, state: Mapping[str, Tensor | int]) -> list[dict[str, Tensor | int]]:
        """Cut the state of the buffer into that of each parameter.

        Args:
            state: Tensors of the buffer's size are cut, anything else all parameters share.

        Returns:
            State by parameter, in the order in which they were given.
        """
        rows: list[dict[str, Tensor | int]] = [{} for _ in self.parameters]
        for name, value in state.items():
            parts: Sequence[Tensor | int] = [value] * len(rows)
            if isinstance(value, Tensor) and value.dim() > 0:
                parts = _views(value, self.storages)
            for index, part in zip(self.positions, parts, strict=True):
                rows[index][name] = part
        return rows

    def release(self) -> None:
        """Give the parameters their own storage back."""
        for parameter, storage in zip(self.parameters, self.storages, strict=True):
            parameter.grad = None
            parameter.data = storage


def order(tensors: Sequence[Tensor]) -> list[int]:
    """Order tensors for a flat buffer: those with the same trailing dimensions side by side.

    Args:
        tensors: Contiguous ones, and others, which come last.

    Returns:
        Positions in ``tensors``, stable within a group.
    """
    return sorted(range(len(tensors)), key=lambda index: _kind(tensors[index]))


def flatten(parameters: Sequence[Parameter]) -> Flattened:
    """Move parameters into one buffer, and make one for their gradients.

    What lies in one buffer already, as :func:`cut` leaves it, stays where it is. ``.grad`` is left
    alone, so that one that is None is seen. Values, shapes and strides stay as they are.

    Args:
        parameters: Leaves of one dtype and device, with or without ``.grad``; their storage is a
            view of the buffer afterwards.

    Returns:
        The flattened parameters.

    Raises:
        Unavailable: Elements of the parameters share memory, and would no longer.
    """
    _refuse_shared(parameters)
    positions = order(parameters)
    ordered = [parameters[index] for index in positions]
    storages = [parameter.data for parameter in ordered]
    buffer = Parameter(join(parameters))
    gradients = [parameter.grad for parameter in ordered if parameter.grad is not None]
    alike = len(gradients) == len(ordered) and all(value.is_contiguous() for value in storages)
    found = _buffer_of(gradients) if alike else None
    buffer.grad = torch.zeros_like(buffer) if found is None else found
    assert buffer.grad is not None
    views = _views(buffer.grad, storages) if found is None else gradients
    for parameter, value in zip(ordered, _views(buffer.data, storages), strict=True):
        parameter.data = value
    parts = list(_joined(storages, buffer.grad))

    def join_gradients(gradients: list[Tensor]) -> None:
        for part, bring in parts:
            bring(gradients[part])

    gather = Gathering(ordered, views, join_gradients)
    return Flattened(ordered, positions, buffer, storages, gather)


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
        found = _buffer_of([tensors[index] for index in order(tensors)])
        state[name] = torch.zeros_like(buffer) if found is None else found
    return state


def fresh(shape: torch.Size, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Allocate a contiguous tensor of arbitrary values, as PyTorch does."""
    return torch.empty(shape, dtype=dtype, device=device)


def join(tensors: Sequence[Tensor], empty: Empty = fresh) -> Tensor:
    """Put tensors into one buffer, in the order of :func:`order`.

    Args:
        tensors: Of one dtype and device.
        empty: Allocates the buffer.

    Returns:
        One-dimensional: the buffer they are in already, or else a copy.
    """
    ordered = [tensors[index].detach() for index in order(tensors)]
    found = _buffer_of(ordered)
    if found is not None:
        return found
    elements = torch.Size([sum(tensor.numel() for tensor in ordered)])
    buffer = empty(elements, ordered[0].dtype, ordered[0].device)
    for view, tensor in zip(_views(buffer, ordered), ordered, strict=True):
        view.copy_(tensor)
    return buffer


def cut(buffer: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """Cut a buffer into views that lie as :func:`join` puts tensors.

    Args:
        buffer: One-dimensional.
        like: Tensors with as many elements.

    Returns:
        A view for each of ``like``, of its shape and strides.
    """
    positions = order(like)
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


def _refuse_shared(tensors: Sequence[Tensor]) -> None:
    """Refuse tensors of which an element is another one, too, of the same or of another tensor."""
    if any(s == 0 and n > 1 for t in tensors for n, s in zip(t.shape, t.stride(), strict=True)):
        raise Unavailable("elements of a parameter share memory, and in one buffer would not")
    spans = sorted(
        (t.untyped_storage().data_ptr(), t.storage_offset(), t.storage_offset() + _extent(t))
        for t in tensors
        if t.numel()
    )
    for (memory, _, end), (other, start, _) in pairwise(spans):
        if memory == other and start < end:
            raise Unavailable("parameters share memory, and in one buffer would not")


def _extent(tensor: Tensor) -> int:
    """Count the elements of memory from a tensor's first to its last one."""
    return 1 + sum((n - 1) * s for n, s in zip(tensor.shape, tensor.stride(), strict=True))


def _joined(storages: Sequence[Tensor], gradients: Tensor) -> Iterator[Joined]:
    """Cut the gradients' buffer where the kind changes, and say what brings gradients there."""
    views = _views(gradients, storages)
    start = offset = 0
    for (strided, dimensions, *trailing), group in groupby(storages, key=_kind):
        members = list(group)
        elements = sum(storage.numel() for storage in members)
        rows = sum(len(storage) for storage in members) if dimensions else elements
        part = slice(start, start + len(members))
        if strided:
            yield part, partial(torch._foreach_copy_, views[part])
        else:
            target = gradients[offset : offset + elements].view(rows, *trailing)
            yield part, partial(torch.cat if dimensions else torch.stack, out=target)
        start, offset = part.stop, offset + elements


def _kind(tensor: Tensor) -> tuple[int, ...]:
    """Tell apart what one concatenation cannot join."""
    if not tensor.is_contiguous():
        return (1, 0)
    return (0, tensor.dim(), *tensor.shape[1:])


def _views(buffer: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """Cut a flat buffer into views with the shapes of ``like``, and the strides if they are dense.

    Strides that leave gaps become those that PyTorch gives to a copy.
    """
    pieces = buffer.split([tensor.numel() for tensor in like])
    return [
        piece.view(tensor.shape)
        if tensor.is_contiguous()
        else piece.as_strided(tensor.shape, torch.empty_like(tensor, device="meta").stride())
        for piece, tensor in zip(pieces, like, strict=True)
    ]
