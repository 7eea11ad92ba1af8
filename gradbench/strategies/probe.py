"""One step of a small matrix, to learn whether it runs, and if not, why.

Only what PyTorch refuses and what a rule lacks counts; whether a step is right is for verification
to say. Where a device is not there, as a block's cells say by themselves, the matrix lies on the
CPU and tells what PyTorch has on no device.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Rule, Slots, Unavailable
from gradbench.strategies.base import columns, zero_slots


def optimizer_refusal(
    rule: Rule, device: torch.device, dtype: torch.dtype, implementation: Mapping[str, bool]
) -> str | None:
    """Say why torch.optim cannot carry out a rule.

    Args:
        rule: Gives the optimizer.
        device: Where its parameters would be.
        dtype: Their floating type.
        implementation: Keywords for torch.optim.

    Returns:
        The reason, in PyTorch's words where it has some; None where the step runs.
    """
    there = _is_there(device)
    matrix = _matrix(device if there else torch.device("cpu"), dtype)
    try:
        optimizer = rule.optimizer([matrix], **implementation)
    except TypeError:
        name = type(rule.optimizer([matrix])).__name__
        return f"torch.optim.{name} takes no {' or '.join(implementation)}"
    except (Unavailable, RuntimeError) as error:
        return _first_sentence(error)
    return _refusal(optimizer.step, there=there)


def compiler_missing(device: torch.device) -> str | None:
    """Say what torch.compile lacks on a device.

    Args:
        device: Where.

    Returns:
        The reason, or None where it can compile.
    """
    if device.type == "cpu" and not any(map(shutil.which, ("c++", "g++", "clang++"))):
        return "torch.compile needs a C++ compiler on the CPU, and none is on the PATH"
    if device.type == "cuda" and importlib.util.find_spec("triton") is None:
        return "torch.compile needs triton on CUDA, and it is not installed"
    return None


def change_refusal(rule: Rule) -> str | None:
    """Say why a rule's change out of place is not to be had.

    Args:
        rule: Would give it.

    Returns:
        The reason, or None where the rule offers it.
    """
    value, state = _tensors(rule, torch.device("cpu"), torch.float32)
    change = partial(rule.change, value, torch.ones_like(value), state, 1)
    return _refusal(change, there=False)


def list_refusal(rule: Rule) -> str | None:
    """Say why a rule's list step is not to be had.

    Args:
        rule: Would give it.

    Returns:
        The reason, or None where the rule offers it.
    """
    return _list_refusal(rule, rule.step_list)


def batched_refusal(rule: Rule) -> str | None:
    """Say why a rule's batched step is not to be had.

    Args:
        rule: Would give it.

    Returns:
        The reason, or None where the rule offers it.
    """
    return _list_refusal(rule, rule.step_batched)


def flattening_refusal(rule: Rule) -> str | None:
    """Say why a rule's tensors may not be flattened.

    Args:
        rule: Would update them.

    Returns:
        The reason, or None where they may.
    """
    if rule.element_wise:
        return None
    return f"{type(rule).__name__} is not element-wise: it needs tensors in their own shape"


def fused_refusal(rule: Rule, device: torch.device, dtype: torch.dtype) -> str | None:
    """Say why a rule's fused step cannot run.

    Args:
        rule: Gives the step.
        device: Where its parameters would be.
        dtype: Their floating type.

    Returns:
        The reason, in PyTorch's words where it has some; None where the step runs.
    """
    there = _is_there(device)
    value, state = _tensors(rule, device if there else torch.device("cpu"), dtype)
    count = torch.zeros((), dtype=torch.float32, device=value.device)
    gradients, slots = [torch.ones_like(value)], columns(rule, [state])
    step = partial(rule.step_fused, [value], gradients, slots, [count])
    return _refusal(step, there=there)


def _list_refusal(rule: Rule, step_list: Callable[..., None]) -> str | None:
    """Say why a step of a list of tensors is refused."""
    value, state = _tensors(rule, torch.device("cpu"), torch.float32)
    step = partial(step_list, [value], [torch.ones_like(value)], columns(rule, [state]), 1)
    return _refusal(step, there=False)


def _is_there(device: torch.device) -> bool:
    """Say whether a device is there; where it is none of CUDA's, CUDA is not even asked."""
    if device.type != "cuda":
        return True
    return torch.cuda.is_available() and 0 <= (device.index or 0) < torch.cuda.device_count()


def _matrix(device: torch.device, dtype: torch.dtype) -> Tensor:
    """Make a parameter with a gradient; of two dimensions, since some optimizers take no other."""
    matrix = Parameter(torch.zeros(2, 2, dtype=dtype, device=device))
    matrix.grad = torch.ones_like(matrix)
    return matrix


def _tensors(rule: Rule, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Slots]:
    """Make the matrix's values and its state, to be updated by hand."""
    value = _matrix(device, dtype).detach()
    return value, zero_slots(rule, value)


def _refusal(step: Callable[[], object], *, there: bool) -> str | None:
    """Take a step; return the reason where it is refused, on the device itself if by that."""
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
