"""Writes in place: into leaves, gradients and results, seen by autograd or not."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradbench.diagnosis.observe.modules import weights_cached
from gradbench.diagnosis.observe.recorder import Recorder
from gradbench.diagnosis.observe.tensors import node_of, tensors_in
from gradbench.diagnosis.timeline import Kind

LARGEST = 1 << 22
"""Elements of a leaf up to which a write by hand is compared with the gradient."""

_LOW = (torch.float16, torch.bfloat16)

_ZEROES = frozenset({"zero_", "zeros_", "_foreach_zero_"})


def watch_write(
    recorder: Recorder, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Run an operator that writes in place, and record what it wrote.

    Args:
        recorder: Where the event goes.
        func: The operator.
        args: Its arguments; the first, or ``out``, is written.
        kwargs: Its keyword arguments.

    Returns:
        What the operator returns.
    """
    written, others = _split(args, kwargs)
    leaves = _leaves(recorder, written)
    versions = [(leaf, _version(leaf)) for leaf in leaves]
    before = {
        number: leaf.detach().clone()
        for number, leaf in _compared(recorder, leaves)
        if leaf.numel() <= LARGEST
    }
    made = func(*args, **kwargs)
    name = func.__name__
    gradients = _gradients(recorder, written)
    recorder.edited.update(gradients)
    detail: dict[str, Any] = {}
    if leaves:
        detail["leaves"] = tuple(map(recorder.number, leaves))
        detail["bumped"] = all(_version(leaf) != version for leaf, version in versions)
        detail.update(_movement(recorder, before))
        detail["cached"] = weights_cached()
        if detail.get("tried") and not detail["moved"]:
            detail["nothing"] = _is_nothing((*args[1:], *kwargs.values()), others)
    if gradients:
        detail["gradients_of"] = gradients
    if name == "fill_" or name in ("mul_", "__imul__", "_foreach_mul_"):
        factors = [each for each in args[1:] if isinstance(each, (int, float))]
        detail["number"] = float(factors[0]) if factors else None
    clears = name in _ZEROES or (name in ("fill_", "mul_") and detail.get("number") == 0.0)
    if gradients and clears:
        recorder.cleared(gradients, "hand", False)
        return made
    recorder.add(
        *(Kind.write, name, others, written),
        out_live=any(each.requires_grad for each in written),
        callers=bool(leaves),
        **detail,
    )
    recorder.wrote(written, recorder.count - 1)
    if (leaves and torch.is_grad_enabled() is False) or _through_data(recorder, written):
        recorder.wrote_by_hand(leaves)
    node = node_of(written[0]) if written and torch.is_grad_enabled() else None
    if node is not None:
        recorder.graph.reached(node, recorder.count - 1)
    return made


def _split(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Tensor], list[Tensor]]:
    """Part the tensors that are written from the others."""
    if kwargs.get("out") is not None:
        return list(tensors_in(kwargs["out"])), list(tensors_in(args))
    if args:
        rest = {key: value for key, value in kwargs.items() if isinstance(value, Tensor)}
        return list(tensors_in(args[0])), [*tensors_in(args[1:], 3), *rest.values()]
    first = next((kwargs[key] for key in ("tensor", "input", "self") if key in kwargs), None)
    return list(tensors_in(first)), []


def _leaves(recorder: Recorder, written: list[Tensor]) -> list[Tensor]:
    """Return the leaves whose memory is written."""
    found = []
    for tensor in written:
        if recorder.know(tensor).leaf:
            found.append(tensor)
            continue
        number = recorder.leaf_of_memory(tensor)
        leaf = recorder.tensor(number) if number is not None else None
        if leaf is not None:
            recorder.know(tensor).alias = number
            found.append(leaf)
    return found


def _gradients(recorder: Recorder, written: list[Tensor]) -> tuple[int, ...]:
    """Return the tensors whose gradients are written."""
    found = []
    for tensor in written:
        seen = recorder.know(tensor)
        if seen.of is None and seen.alias is not None and seen.alias in recorder.seen:
            seen = recorder.seen[seen.alias]
        if seen.of is not None:
            found.append(seen.of)
    return tuple(found)


def _compared(recorder: Recorder, leaves: list[Tensor]) -> list[tuple[int, Tensor]]:
    """Return the leaves to compare before and after: with a gradient, or of low precision."""
    with torch._C.DisableTorchFunction():
        return [
            (recorder.number(leaf), leaf)
            for leaf in leaves
            if leaf.is_leaf
            and leaf.layout == torch.strided
            and (leaf.grad is not None or leaf.dtype in _LOW)
        ]


def _is_nothing(numbers: tuple[Any, ...], tensors: list[Tensor]) -> bool:
    """Say whether what was to be added is zero."""
    with torch.no_grad(), torch._C.DisableTorchFunction():
        factors = [each for each in numbers if isinstance(each, (int, float))]
        if tensors and factors and not any(factors):
            return True
        return not any(factors if not tensors else [bool(each.any()) for each in tensors])


def _movement(recorder: Recorder, before: dict[int, Tensor]) -> dict[str, Any]:
    """Say which leaves moved, and whether up or down their gradient."""
    moved, along = [], []
    with torch.no_grad(), torch._C.DisableTorchFunction():
        for number, old in before.items():
            leaf = recorder.tensor(number)
            if leaf is None or leaf.shape != old.shape:
                continue
            difference = (leaf.detach() - old).double()
            gradient = leaf.grad
            if not difference.any():
                continue
            moved.append(number)
            if gradient is not None and gradient.layout == torch.strided:
                product = (difference * gradient.detach().double()).sum()
                size = difference.norm() * gradient.detach().double().norm()
                along.append(round(float(product / size), 6) if float(size) > 0 else 0.0)
            else:
                along.append(0.0)
    if not before:
        return {}
    return {"tried": tuple(before), "moved": tuple(moved), "along": tuple(along)}


def _version(tensor: Tensor) -> int:
    with torch._C.DisableTorchFunction():
        return -1 if tensor.is_inference() else tensor._version


def _through_data(recorder: Recorder, written: list[Tensor]) -> bool:
    return any(recorder.know(tensor).alias is not None for tensor in written)
