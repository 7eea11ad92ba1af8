"""What a model is: a module, a batch, and the loss that joins them."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor, nn

Batch: TypeAlias = Tensor | tuple[Tensor, ...] | Mapping[str, Tensor]
"""The forward pass's input: one positional argument, several, or keywords."""


class UnavailableModel(Exception):
    """The model cannot be built on this machine; the message says why and what would help."""


class Model(Protocol):
    """A recipe for a set of parameters with a forward pass and a batch."""

    def build(self) -> tuple[nn.Module, Batch]:
        """Builds the module and its batch, with random weights and data.

        Randomness comes from torch's global generators, so ``torch.manual_seed`` before the call
        fixes every bit on one kind of device; under ``with torch.device("meta")`` nothing is
        allocated.

        Returns:
            The module, float32 on the default device, and a batch that ``loss`` can feed to it.

        Raises:
            UnavailableModel: An optional dependency is missing.
            ValueError: The request is wrong.
        """
        ...


def loss(module: nn.Module, batch: Batch) -> Tensor:
    """Computes a scalar to differentiate from whatever the module returns.

    A 0-dim output is the loss itself. Any other output y, of N elements, is drawn to a fixed wave:

        loss = 1/N * sum_i (y_i - cos i)^2

    The wave is there because the plain mean of squares is constant after a layer norm (BERT) and
    nearly so after an RMS norm (Llama): all gradients would be rounding noise.

    Args:
        module: Called with the batch: a tensor is its one positional argument, a tuple its
            positional arguments, a mapping its keywords.
        batch: On the module's device.

    Returns:
        A 0-dim tensor. From an output with dimensions, it is at least float32, because squares and
        sums of half precision overflow or lose all their digits.

    Raises:
        ValueError: The output holds no floating-point tensor.
    """
    output = _first_floating(_call(module, batch))
    if output.dim() == 0:
        return output
    dtype = torch.promote_types(output.dtype, torch.float32)
    wave = torch.arange(output.numel(), dtype=dtype, device=output.device).cos()
    return (output.to(dtype) - wave.view(output.shape)).square().mean()


def place(
    module: nn.Module, batch: Batch, device: torch.device, dtype: torch.dtype
) -> tuple[nn.Module, Batch]:
    """Moves a module, in place, and a batch to a device; only floating tensors change dtype.

    Args:
        module: Moved as by ``module.to``, so that tied parameters stay tied.
        batch: Token ids and other integers keep their dtype.
        device: Where to.
        dtype: The floating-point dtype of the parameters, buffers and data.

    Returns:
        The same module, and a new batch of the same form.
    """

    def move(tensor: Tensor) -> Tensor:
        return tensor.to(device, dtype if tensor.is_floating_point() else None)

    module.to(device, dtype)
    if isinstance(batch, Tensor):
        return module, move(batch)
    if isinstance(batch, tuple):
        return module, tuple(move(tensor) for tensor in batch)
    return module, {name: move(tensor) for name, tensor in batch.items()}


def _call(module: nn.Module, batch: Batch) -> Any:
    if isinstance(batch, Tensor):
        return module(batch)
    if isinstance(batch, tuple):
        return module(*batch)
    return module(**batch)


def _first_floating(output: Any) -> Tensor:
    values: tuple[Any, ...] = (output,)
    if isinstance(output, Mapping):
        values = tuple(output.values())
    elif isinstance(output, tuple):
        values = output
    for value in values:
        if isinstance(value, Tensor) and value.is_floating_point():
            return value
    found = (str(v.dtype) if isinstance(v, Tensor) else type(v).__name__ for v in values)
    raise ValueError(
        "The module must return a floating-point tensor, or a tuple or mapping that holds one; "
        f"got {', '.join(found) or 'nothing'}."
    )
