"""What is asked of a tensor without the program noticing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor


def shape_of(tensor: Tensor) -> tuple[int, ...]:
    """Return the shape of a tensor; a nested one has none."""
    try:
        return tuple(tensor.shape)
    except RuntimeError:
        return ()


def node_of(tensor: Tensor) -> Any:
    """Return the node that made a tensor; None for a leaf, and for a view that may not be asked."""
    try:
        return tensor.grad_fn
    except RuntimeError:  # a view made under no_grad whose base was written since
        return None


def memory(tensor: Tensor) -> int:
    """Return the address of the memory a tensor is in; 0 where it has none."""
    try:
        with torch._C.DisableTorchFunction():
            return tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):
        return 0


def overlap(a: Tensor, b: Tensor) -> bool:
    """Say whether two tensors of one memory can share an element, by the spans they cover."""
    with torch._C.DisableTorchFunction():
        return _span(a)[0] < _span(b)[1] and _span(b)[0] < _span(a)[1]


def _span(tensor: Tensor) -> tuple[int, int]:
    start = int(tensor.storage_offset()) * tensor.element_size()
    if not tensor.numel():
        return start, start
    steps = zip(tensor.shape, tensor.stride(), strict=True)
    last = sum((int(size) - 1) * int(step) for size, step in steps)
    return start, start + (last + 1) * tensor.element_size()


def tensors_in(values: Any, depth: int = 2) -> Iterator[Tensor]:
    """Yield the tensors among arguments or results, in lists and dictionaries as well."""
    if isinstance(values, Tensor):
        yield values
    elif depth and isinstance(values, (list, tuple)):
        for value in values:
            yield from tensors_in(value, depth - 1)
    elif depth and isinstance(values, dict):
        for value in values.values():
            yield from tensors_in(value, depth - 1)
