"""Right before fast: a cell takes updates from known gradients and is held against float64."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Rule
from gradbench.strategies.base import Strategy
from gradbench.verify.reference import tolerance_ulps, ulp_error
from gradbench.verify.tensors import Verifiable
from gradbench.verify.whole_tensors import WholeTruth
from gradbench.zeroing.base import Zeroing

_FACTORS = (1.0, 0.5, 2.0)
"""Gradients change from update to update: under a constant one, Adam's bias correction hides a
wrong decay rate. Powers of two are exact; one sign per element keeps the tolerance's promise."""

_PIECE, _PIECE_ON_CPU = 1 << 24, 1 << 18
"""Elements compared at a time: on the CPU a cache holds the temporaries of a piece."""


@dataclass(frozen=True)
class Verdict:
    """What verification found.

    Args:
        reason: What is wrong; None where the cell is right.
        max_ulp_error: Largest error of the parameters, in ulps.
        tolerance_ulps: Largest error of a right strategy, in ulps.
        step_s: Seconds inside each update. Some strategies set themselves up in the first one; the
            last one is a first guess of what an update takes.
        elements: Elements that were updated and checked.
    """

    reason: str | None
    max_ulp_error: float
    tolerance_ulps: float
    step_s: list[float]
    elements: int


def backward(parameters: Sequence[Parameter], gradients: Sequence[Tensor], *, keep: bool) -> None:
    """Let autograd accumulate known gradients, hooks and all.

    Args:
        parameters: Leaves.
        gradients: What arrives at each.
        keep: Leave ``gradients`` alone; otherwise autograd takes them for its own where ``.grad``
            is None, as it does with what a real backward pass computes.
    """
    outputs = [parameter.view_as(parameter) for parameter in parameters]
    arriving = [gradient.clone() if keep else gradient for gradient in gradients]
    torch.autograd.backward(outputs, arriving)


def verify(
    strategy: Strategy,
    zeroing: Zeroing,
    rule: Rule,
    tensors: Verifiable,
    updates: int,
) -> Verdict:
    """Take updates from known gradients and compare with the rule's float64 reference.

    Checks the values of up to a million elements, that every element was written, that gradients
    are bitwise what backward left, and that nothing next to a parameter was written.

    Args:
        strategy: What to verify.
        zeroing: Runs after every update; one that does not clear shows in the gradients.
        rule: What the strategy carries out.
        tensors: What it is carried out on; reset before, not after.
        updates: Number of updates.

    Returns:
        The verdict.
    """
    tensors.reset()
    dtype = tensors.dtype
    parameters = tensors.tensors.parameters()
    binding = strategy.bind(rule, parameters, tensors.slots)
    clear = zeroing.bind(parameters)
    total = [torch.zeros_like(g) for g in tensors.gradients] if zeroing.accumulates else []
    step_s: list[float] = []
    touched = False
    factors = tuple(islice(cycle(_FACTORS), updates))
    for factor in factors:
        for arriving, gradient in zip(tensors.arriving, tensors.gradients, strict=True):
            torch.mul(gradient, factor, out=arriving)
        if zeroing.accumulates:
            torch._foreach_add_(total, tensors.arriving)
        backward(parameters, tensors.arriving, keep=not zeroing.releases)
        _finish(tensors.device)
        start = time.perf_counter()
        binding.step()
        _finish(tensors.device)
        step_s.append(time.perf_counter() - start)
        expected = total if zeroing.accumulates else tensors.gradients
        scale = 1.0 if zeroing.accumulates else factor
        touched = touched or not _same(parameters, expected, scale)
        clear()
    if rule.element_wise:
        tolerance = tolerance_ulps(
            rule, updates, dtype, strategy.float32_count, strategy.rounded_corrections
        )
        reference, magnitude = tensors.truth(rule, factors, accumulates=zeroing.accumulates)
        error = ulp_error(tensors.sampled(parameters), reference, magnitude, dtype)
        unwritten = _unwritten(parameters, tensors.initial)
    else:
        truths = tensors.whole_truths(rule, factors, accumulates=zeroing.accumulates)
        error, tolerance, unwritten = _worst(parameters, tensors.initial, truths)
    binding.release()
    reason = None
    if unwritten:
        reason = f"{unwritten} of {tensors.tensors.elements} elements were never written"
    elif error > tolerance:
        reason = (
            f"values are off by {error:.3g} ulp after {updates} updates (at most {tolerance:g})"
        )
    elif touched:
        reason = "the update or the zeroing changed .grad: it is not bitwise what backward left"
    elif not tensors.tensors.guards_intact():
        reason = "memory next to a parameter was written"
    return Verdict(reason, error, tolerance, step_s, tensors.tensors.elements)


def _finish(device: torch.device) -> None:
    """Wait for what a device still has to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _same(parameters: Sequence[Parameter], expected: Sequence[Tensor], factor: float) -> bool:
    """Say whether every gradient is bitwise what it should be, up to an exact factor."""
    return all(
        parameter.grad is not None
        and all(torch.equal(a, b * factor) for a, b in _pieces(parameter.grad, gradient))
        for parameter, gradient in zip(parameters, expected, strict=True)
    )


def _unwritten(parameters: Sequence[Parameter], initial: Sequence[Tensor]) -> int:
    """Count the elements that are what they were."""
    return sum(
        int((after == before).sum())
        for parameter, start in zip(parameters, initial, strict=True)
        for after, before in _pieces(parameter.detach(), start)
    )


def _worst(
    parameters: Sequence[Parameter], initial: Sequence[Tensor], truths: Sequence[WholeTruth]
) -> tuple[float, float, int]:
    """Return error and tolerance of the tensor furthest off, in ε, and the unwritten elements."""
    found = []
    unwritten = 0
    for parameter, before, truth in zip(parameters, initial, truths, strict=True):
        after = parameter.detach()
        found.append(truth.error(after.double() - before.double()))
        unwritten += truth.unwritten(after != before)
    worst = max(range(len(found)), key=found.__getitem__)
    tolerance = truths[worst].tolerance / torch.finfo(truths[worst].dtype).eps
    return found[worst] * tolerance, tolerance, unwritten


def _pieces(a: Tensor, b: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Cut two tensors of a shape into pieces."""
    size = _PIECE_ON_CPU if a.device.type == "cpu" else _PIECE
    return zip(a.reshape(-1).split(size), b.reshape(-1).split(size), strict=True)
