"""Building a block's model, if it will fit."""

from __future__ import annotations

import torch
from torch import nn

from gradbench.block.axes import Axes
from gradbench.errors import BadRequest
from gradbench.models.base import Batch, UnavailableModel, place
from gradbench.request.block import Block


def build_model(block: Block, axes: Axes) -> tuple[nn.Module, Batch]:
    """Build the model and place it on the block's device.

    Args:
        block: Gives dtype and seed.
        axes: Give model, rule and device.

    Returns:
        The module and its batch, in the block's dtype.

    Raises:
        UnavailableModel: It cannot be built here, or what measuring it takes will not fit.
        BadRequest: Its options are wrong.
        TypeError: It has parameters that no update here is meant for.
    """
    dtype = getattr(torch, block.dtype)
    steps = block.options["measurement"]["training_steps"]
    needed = elements = 0
    try:
        with torch.device("meta"):
            for parameter in axes.model.build()[0].parameters():
                elements += parameter.numel()
                needed += parameter.numel() * (
                    _bytes_needed(axes, dtype, steps, len(axes.rule.slots_of(parameter.shape)))
                    if parameter.requires_grad
                    else dtype.itemsize + 8
                )
    except UnavailableModel:
        raise
    except Exception:  # not every factory can do without memory; what is wrong shows just below
        needed = elements = 0
    free = axes.device.free_bytes()
    if needed > free:
        raise UnavailableModel(
            f"needs about {needed / 1e9:.1f} GB for {elements} parameters, {free / 1e9:.1f} GB free"
        )
    torch.manual_seed(block.seed)
    try:
        with axes.device.torch_device:  # a GPU draws a billion weights in a moment, a CPU does not
            module, batch = axes.model.build()
    except ValueError as error:
        raise BadRequest(str(error)) from error
    _check_parameters(module)
    return place(module, batch, axes.device.torch_device, dtype)


def _check_parameters(module: nn.Module) -> None:
    """Refuse parameters that ``module.to`` would turn into others, or that hold no values."""
    for name, parameter in module.named_parameters():
        found = None
        if parameter.is_complex():
            found = str(parameter.dtype).removeprefix("torch.")
        elif parameter.layout != torch.strided:
            found = str(parameter.layout).removeprefix("torch.")
        elif parameter.is_meta:
            found = "on the meta device, without values"
        if found is not None:
            raise TypeError(f"parameter {name} is {found}; what is measured is real and dense")


def _bytes_needed(axes: Axes, dtype: torch.dtype, steps: int, slots: int) -> int:
    """Estimate a trained element's part in the peak: the larger of isolated and float64 run.

    The float64 run has state from its second update on. It keeps the gradients of every step, and
    once more where some zeroings accumulate and others do not.
    """
    size = dtype.itemsize
    flat = any(strategy.flattens for strategy in axes.strategies.values())
    copies = sum(strategy.copies for strategy in axes.strategies.values())
    # Module; values, their start, gradients, spent and restored ones; flat's own; temporaries.
    isolated = (1 + (5 + slots) + (2 + slots) * flat + copies + 4) * size
    kept = (1 + steps) * len({zeroing.accumulates for zeroing in axes.zeroings.values()})
    # Module; the float64 copy, its gradient, a copy of that, state and following state.
    float64 = size + (3 + 2 * slots * (steps > 1)) * 8 + kept * max(size, 4)
    return max(isolated, float64)
