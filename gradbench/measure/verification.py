"""Right before fast: a cell takes updates from known gradients and is held against float64."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.measure.tensors import Tensors
from gradbench.reference import tolerance_ulps, trajectory, ulp_error
from gradbench.rules.base import Rule
from gradbench.strategies.base import Strategy
from gradbench.zeroing.base import Zeroing

_FACTORS = (1.0, 0.5, 2.0)
"""Gradients change from update to update: under a constant one, Adam's bias correction hides a
wrong decay rate. Powers of two are exact; one sign per element keeps the tolerance's promise."""


@dataclass(frozen=True)
class Verdict:
    """What verification found.

    Args:
        reason: What is wrong; None where the cell is right.
        max_ulp_error: Largest error of the parameters, in ulps.
        tolerance_ulps: Largest error of a right strategy, in ulps.
        first_step_s: Seconds inside the first step, in which some strategies set themselves up.
        last_step_s: Seconds inside the last step: a first guess of what an update takes.
    """

    reason: str | None
    max_ulp_error: float
    tolerance_ulps: float
    first_step_s: float
    last_step_s: float


def backward(parameters: Sequence[Parameter], gradients: Sequence[Tensor]) -> None:
    """Let autograd accumulate known gradients, hooks and all.

    Args:
        parameters: Leaves.
        gradients: What arrives at each.
    """
    outputs = [parameter.view_as(parameter) for parameter in parameters]
    # Copies: where .grad is None, autograd keeps the tensor that arrives instead of copying it.
    torch.autograd.backward(outputs, [gradient.clone() for gradient in gradients])


def verify(
    strategy: Strategy, zeroing: Zeroing, rule: Rule, tensors: Tensors, updates: int
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
    dtype = tensors.values[0].dtype
    parameters = tensors.parameters()
    binding = strategy.bind(rule, parameters, tensors.slots)
    clear = zeroing.bind(parameters)
    known = [gradient.clone() for gradient in tensors.gradients]
    expected: list[Tensor] = []
    seen: list[Tensor] = []
    step_s: list[float] = []
    touched = False
    for update in range(updates):
        torch._foreach_copy_(known, tensors.gradients)
        torch._foreach_mul_(known, _FACTORS[update % len(_FACTORS)])
        if zeroing.accumulates and expected:
            torch._foreach_add_(expected, known)
        else:
            expected = [gradient.clone() for gradient in known] if zeroing.accumulates else known
        backward(parameters, known)
        start = time.perf_counter()
        binding.step()
        step_s.append(time.perf_counter() - start)
        seen.append(tensors.sampled(expected))
        touched = touched or not _same(parameters, expected)
        clear()
    tolerance = tolerance_ulps(rule, updates, dtype, strategy.float32_count)
    reference, scale = trajectory(rule, tensors.sampled(tensors.initial), seen)
    error = ulp_error(tensors.sampled(parameters), reference, scale, dtype)
    unwritten = sum(
        int((parameter.detach() == before).sum())
        for parameter, before in zip(parameters, tensors.initial, strict=True)
    )
    binding.release()
    reason = None
    if unwritten:
        reason = f"{unwritten} of {tensors.elements} elements were never written"
    elif error > tolerance:
        reason = f"values are off by {error:.3g} ulp after {updates} updates (at most {tolerance:g})"
    elif touched:
        reason = "the update or the zeroing changed .grad: it is not bitwise what backward left"
    elif not tensors.guards_intact():
        reason = "memory next to a parameter was written"
    return Verdict(reason, error, tolerance, step_s[0], step_s[-1])


def _same(parameters: Sequence[Parameter], expected: Sequence[Tensor]) -> bool:
    """Say whether every gradient is bitwise what it should be."""
    return all(
        parameter.grad is not None and torch.equal(parameter.grad, gradient)
        for parameter, gradient in zip(parameters, expected, strict=True)
    )
