"""One step of a small matrix, to learn whether it runs in a block, and if not, why.

Only what PyTorch refuses counts; whether a step is right is for verification to say. Where the
block's device is not there, as its cells say by themselves, the matrix lies on the CPU and tells
what PyTorch has on no device.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.plan import Block
from gradbench.rules.base import Rule, Unavailable
from gradbench.strategies.base import columns


def optimizer_refusal(block: Block, rule: Rule, implementation: Mapping[str, bool]) -> str | None:
    """Say why torch.optim cannot carry out a rule.

    Args:
        block: Gives device and dtype.
        rule: Gives the optimizer.
        implementation: Keywords for torch.optim.

    Returns:
        The reason, in PyTorch's words where it has some; None where the step runs.
    """
    device = _device(block)
    matrix = _matrix(block, device)
    try:
        optimizer = rule.optimizer([matrix], **implementation)
    except TypeError:
        name = type(rule.optimizer([matrix])).__name__
        return f"torch.optim.{name} takes no {' or '.join(implementation)}"
    except (Unavailable, RuntimeError) as error:
        return _first_sentence(error)
    return _refusal(optimizer.step, there=device is not None)


def fused_refusal(block: Block, rule: Rule) -> str | None:
    """Say why a rule's fused step cannot run.

    Args:
        block: Gives device and dtype.
        rule: Gives the step.

    Returns:
        The reason, in PyTorch's words where it has some; None where the step runs.
    """
    device = _device(block)
    value = _matrix(block, device).detach()
    state = columns(rule, [{name: torch.zeros_like(value) for name in rule.slots}])
    count = torch.zeros((), dtype=torch.float32, device=value.device)
    step = partial(rule.step_fused, [value], [torch.ones_like(value)], state, [count])
    return _refusal(step, there=device is not None)


def _device(block: Block) -> torch.device | None:
    """Return the block's device; None where it is not there."""
    if block.device != "cuda":  # and CUDA is left as it is, not even asked
        return torch.device(block.device)
    index = int(block.options.get("device", {}).get("index", 0))
    there = torch.cuda.is_available() and 0 <= index < torch.cuda.device_count()
    return torch.device("cuda", index) if there else None


def _matrix(block: Block, device: torch.device | None) -> Tensor:
    """Make a parameter with a gradient; of two dimensions, since some optimizers take no other."""
    dtype = getattr(torch, block.dtype)
    matrix = Parameter(torch.zeros(2, 2, dtype=dtype, device=device or "cpu"))
    matrix.grad = torch.ones_like(matrix)
    return matrix


def _refusal(step: Callable[[], object], *, there: bool) -> str | None:
    """Take a step; return the reason where it is refused, on the block's device if by that."""
    try:
        step()
    except Unavailable as error:
        return _first_sentence(error)
    except RuntimeError as error:
        return _first_sentence(error) if there else None
    except Exception:
        return None  # verification meets it, too, and the cell has failed
    return None


def _first_sentence(error: Exception) -> str:
    """Shorten an error: after its first sentence PyTorch may list all backends there are."""
    sentence = re.split(r"\.\s|\n", str(error), maxsplit=1)[0]
    return sentence.rstrip(".") or type(error).__name__
