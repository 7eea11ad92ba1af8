"""A number for the contents of a tensor, by which a change is seen."""

from __future__ import annotations

import zlib

import torch
from torch import Tensor

_HASH = getattr(torch, "hash_tensor", None)

SMALL = 1024
"""Elements up to which all bytes count: `hash_tensor` is an xor, where equal elements cancel."""


def fingerprint(tensor: Tensor) -> int | None:
    """Compute a number that differs when the contents differ, nearly always.

    Args:
        tensor: Any tensor; it is only read.

    Returns:
        The number; None where the tensor's kind has none (sparse, meta, quantized, functorch's).
    """
    try:
        with torch.no_grad(), torch._C.DisableTorchFunction():
            plain = tensor.detach()
            if plain.is_meta or plain.layout != torch.strided or plain.is_quantized:
                return None
            if plain.is_complex():
                plain = torch.view_as_real(plain.resolve_conj())
            if plain.numel() <= SMALL and plain.device.type == "cpu":
                words = plain.contiguous().view(-1).view(torch.uint8).numpy().tobytes()
                if words.count(0) == len(words):
                    return 0
                return zlib.adler32(words) << 32 | zlib.crc32(words)
            if _HASH is not None:
                return int(_HASH(plain).view(torch.int64))
            return _checksum(plain)
    except (RuntimeError, NotImplementedError, TypeError):
        return None


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
