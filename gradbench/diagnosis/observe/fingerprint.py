"""A number for the contents of a tensor, by which a change is seen."""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

_HASH = getattr(torch, "hash_tensor", None)

SMALL = 1 << 16
"""Bytes up to which the processor's memory is read whole: quicker than an operator."""


def fingerprint(tensor: Tensor) -> int | None:
    """Compute a number that differs when the contents differ, nearly always.

    Args:
        tensor: Any tensor; it is only read.

    Returns:
        The number, 0 where all elements are zero; None where the tensor's kind has none (sparse,
        meta, quantized, functorch's).
    """
    try:
        with torch._C.DisableTorchFunction():
            plain = tensor.detach()
            if plain.layout != torch.strided or plain.is_meta or plain.is_quantized:
                return None
            if plain.is_complex():
                plain = torch.view_as_real(plain.resolve_conj())
            if plain.device.type == "cpu" and plain.nbytes <= SMALL:
                return _of_bytes(plain)
            if _HASH is None:
                return _checksum(plain)
            # An xor, in which equal elements cancel: hence the first ones besides.
            return int(_HASH(plain).view(torch.int64)) ^ _first(plain)
    except (RuntimeError, NotImplementedError, TypeError):
        return None


def _of_bytes(plain: Tensor) -> int:
    words: Any = plain.contiguous().view(-1).view(torch.uint8).numpy()
    return zlib.adler32(words) ^ _of_zeros(words.size)


@lru_cache(maxsize=4096)
def _of_zeros(size: int) -> int:
    return zlib.adler32(bytes(size))


def _first(plain: Tensor) -> int:
    """Return a number for the first elements."""
    if plain.device.type != "cpu":
        return 0
    while plain.dim() > 1:
        plain = plain[0]
    return _of_bytes(plain[:64])


def _checksum(plain: Tensor) -> int:
    """Add the words up, each with a weight by its place: for a torch without ``hash_tensor``."""
    words = plain.contiguous().view(-1).view(torch.uint8)
    short = words.numel() % 4
    whole = words[: words.numel() - short].view(torch.int32).to(torch.int64)
    weights = torch.arange(1, whole.numel() + 1, device=whole.device)
    total = (whole * weights).sum() + words[words.numel() - short :].to(torch.int64).sum()
    return int(total)


def norm(tensor: Tensor) -> float:
    """Compute the Euclidean norm of a tensor.

    Args:
        tensor: Any tensor; it is only read.

    Returns:
        ‖x‖: 0 only where each element is zero, not finite only where an element is not; −1 where
        it cannot be computed.
    """
    try:
        with torch.no_grad(), torch._C.DisableTorchFunction():
            plain = tensor.detach()
            if plain.is_sparse:
                plain = plain._values()
            if plain.numel() == 0:
                return 0.0
            if not plain.is_floating_point() and not plain.is_complex():
                return -1.0
            low = plain.dtype in (torch.float16, torch.bfloat16)
            dtype = torch.float32 if low else None
            length = float(torch.linalg.vector_norm(plain, dtype=dtype))
            # Squares may overflow or underflow where the elements do not.
            if length == 0.0 and bool(plain.any()):
                return float(plain.abs().max())
            if length == float("inf") and bool(plain.isfinite().all()):
                return float(plain.abs().max())
            return length
    except (RuntimeError, NotImplementedError, TypeError):
        return -1.0
