"""The float64 truth of what a cell must do, how far from it a right one may be, and a wrong one is.

A strategy is right where |p − p*| ≤ T for every element after every update. p* is the rule's
reference in float64, and T = 1.5·e bounds what rounding makes of it: e is the running error of the
same reference (:mod:`gradbench.verify.running_error`), and the margin is for what the first order
leaves out and for other ways to write the same update. In float64 the reference rounds, too, and
T = 3·e.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gradbench.rules.base import Reference, Rule
from gradbench.rules.mutants import mutants
from gradbench.verify.expected import Expected
from gradbench.verify.one_thread import one_thread
from gradbench.verify.running_error import Bounded, Precision
from gradbench.verify.whole_tensors import follow_whole

MARGIN = 1.5
"""Between the running error and the tolerance."""

DISTINGUISHED = 4.0
"""Tolerances at which a mutant is told from the rule."""


@one_thread()
def follow(
    rules: Sequence[Rule],
    parameter: Tensor,
    gradients: Sequence[Tensor | None],
    dtype: torch.dtype,
    *,
    float32_count: bool = False,
) -> list[Expected]:
    """Take one update per gradient in float64, from zero state, and bound its rounding in a type.

    Args:
        rules: Whose reference to follow, for each update; they differ in their options only.
        parameter: Starting values, float64.
        gradients: The gradient of each update, shape of ``parameter``, float64; None where there
            is none: the parameter stays, and its count does not advance, as torch.optim has it.
        dtype: In which a strategy computes.
        float32_count: Whether it has the step count in float32, and the bias corrections with it.

    Returns:
        What is expected after each update.
    """
    if not rules[0].element_wise_at(parameter.shape):
        return follow_whole(rules, parameter, gradients, dtype)
    precision = Precision.of(dtype)
    margin = MARGIN * (2 if dtype == torch.float64 else 1)
    exact = torch.zeros_like(parameter)
    value = Bounded.of(parameter, precision)
    slots = {name: Bounded.of(exact, precision) for name in rules[0].slots_of(parameter.shape)}
    scale, travelled, count = parameter.abs(), exact, 0
    expected = []
    for rule, gradient in zip(rules, gradients, strict=True):
        if gradient is not None:
            count += 1
            before, slope = value.value, Bounded.of(gradient, precision)
            following, after = rule.reference(value, slope, slots, _count(count, float32_count))
            value = _stored(following, before, precision)
            slots = {name: _bounded(after[name], precision) for name in slots}
            travelled = travelled + (value.value - before).abs()
            scale = torch.maximum(scale, torch.maximum(value.value.abs(), travelled))
        state = {name: (slot.value, margin * slot.error) for name, slot in slots.items()}
        expected.append(Expected(value.value, margin * value.error, state, scale))
    return expected


@one_thread()
def distances(
    rule: Rule,
    given: Sequence[tuple[Tensor, Sequence[Tensor]]],
    dtype: torch.dtype,
    *,
    float32_count: bool = False,
) -> dict[str, float]:
    """Measure how far each mutant of a rule is from what is expected.

    Args:
        rule: Whose mutants.
        given: Starting values of a parameter and the gradient of each update, float64, for each
            parameter.
        dtype: In which a strategy computes.
        float32_count: Whether the tolerance is that of a step count in float32.

    Returns:
        The largest distance of each mutant in tolerances, over elements and updates. A mutant that
        is the rule itself, at these hyperparameters, is none and left out.
    """
    found: dict[str, float] = {}
    for parameter, gradients in given:
        rules = [rule] * len(gradients)
        expected = follow(rules, parameter, gradients, dtype, float32_count=float32_count)
        for name, reference in mutants(rule).items():
            followed = _follow_plainly(reference, rule, parameter, gradients)
            pairs = list(zip(followed, expected, strict=True))
            if all(_same(value, e) for value, e in pairs):
                continue
            far = max(float(e.excess(value).max()) for value, e in pairs)
            found[name] = max(found.get(name, 0.0), far)
    return found


def too_near(far: Mapping[str, float]) -> tuple[str, ...]:
    """Name the mutants that are not told from the rule.

    Args:
        far: Distance of each, in tolerances.

    Returns:
        Those nearer than ``DISTINGUISHED``.
    """
    return tuple(name for name, distance in far.items() if distance < DISTINGUISHED)


def _follow_plainly(
    reference: Reference, rule: Rule, parameter: Tensor, gradients: Sequence[Tensor]
) -> list[Tensor]:
    value, values = parameter, []
    slots = {name: torch.zeros_like(parameter) for name in rule.slots_of(parameter.shape)}
    for count, gradient in enumerate(gradients, start=1):
        value, slots = reference(value, gradient, slots, count)
        values.append(value)
    return values


def _same(value: Tensor, expected: Expected) -> bool:
    """Say whether a mutant comes to the same, up to what float64 makes of it."""
    near = (value - expected.value).abs() <= 1e-13 * expected.scale
    return bool((near | (value == expected.value)).all())


def _count(count: int, float32: bool) -> Any:
    """Make a step count; one in float32 rounds in every power, whatever the type of the rest."""
    if not float32:
        return count
    exact = torch.tensor(float(count), dtype=torch.float64)
    return Bounded.of(exact, Precision.of(torch.float32))


def _bounded(tensor: Tensor, precision: Precision) -> Bounded:
    """Take a reference's result: one that came from no bounded tensor is exact."""
    return tensor if isinstance(tensor, Bounded) else Bounded.of(tensor, precision)


def _stored(following: Tensor, before: Tensor, precision: Precision) -> Bounded:
    """Add the rounding of a parameter that is stored, at the size of what it was and is."""
    value = _bounded(following, precision)
    size = torch.maximum(value.value.abs(), before.abs())
    return Bounded.of(value.value, precision, value.error + precision.unit * size)
