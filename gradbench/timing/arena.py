"""Memory that replicates share, each with its tensors at other random places in it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_LINE = 64
"""Bytes of a cache line, to which every tensor is aligned, as PyTorch's allocator does."""

_GAP_LINES = 64
"""Lines left free before a tensor are fewer than that: a page."""

_SLACK_BYTES = 64 << 20
"""Most bytes by which the first tensor moves from replicate to replicate."""


class Arena:
    """Memory of the CPU that stays allocated, with places drawn anew for each replicate.

    What a replicate varies is where its tensors lie. Memory that goes back to the system is
    touched page by page when it comes again, which for a large model takes longer than its
    updates and slows its neighbours down; on a virtual machine that returns free pages to its
    host, many times as long. A GPU's memory is kept by PyTorch's own allocator.

    Args:
        order: Source of the places.
    """

    def __init__(self, order: np.random.Generator) -> None:
        self._order = order
        self._memory: NDArray[np.uint8] = np.empty(0, dtype=np.uint8)
        self._position = self._wanted = 0

    def begin(self) -> None:
        """Begin a replicate: what was handed out before must not be used any more."""
        if self._wanted > self._memory.size:
            slack = min(self._wanted, _SLACK_BYTES)
            self._memory = np.empty(0, dtype=np.uint8)  # before the next one, not beside it
            self._memory = np.empty(_LINE + self._wanted + slack, dtype=np.uint8)
        free = max(self._memory.size - _LINE - self._wanted, 0)
        aligned = -self._memory.ctypes.data % _LINE
        self._position = aligned + _LINE * int(self._order.integers(0, free // _LINE + 1))
        self._wanted = 0

    def empty(self, shape: torch.Size, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Hand out memory; the allocator's, where the last replicate wanted less than this one.

        Each tensor has a storage of its own, as others have: what compiles looks at that.

        Args:
            shape: Of the tensor.
            dtype: Its floating type.
            device: Where it is; on a GPU it is the allocator's.

        Returns:
            A contiguous tensor of arbitrary values.
        """
        size = shape.numel() * dtype.itemsize
        start = self._position + _LINE * int(self._order.integers(1, _GAP_LINES))
        self._wanted += _LINE * _GAP_LINES + -(-size // _LINE) * _LINE
        if device.type != "cpu" or size == 0 or start + size > self._memory.size:
            return torch.empty(shape, dtype=dtype, device=device)
        self._position = start + -(-size // _LINE) * _LINE
        flat = torch.frombuffer(self._memory, dtype=dtype, count=shape.numel(), offset=start)
        return flat.view(shape)
