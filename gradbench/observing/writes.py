"""How often autograd has seen a tensor written."""

from __future__ import annotations

from torch import Tensor


def writes_of(tensor: Tensor) -> int:
    """Return a tensor's version, which every write that autograd sees raises.

    Relies on ``Tensor._version``, as in torch 2.5 to 2.13: the version is documented, and the only
    way to read it is not.

    Args:
        tensor: Any; those that share its memory share its version, save for ``.data``.

    Returns:
        A count that only grows.

    Source: "In-place correctness checks" in PyTorch's autograd mechanics.
    """
    return tensor._version
