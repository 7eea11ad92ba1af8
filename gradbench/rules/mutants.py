"""Mutants of a rule: one term left out or changed, which verification must tell from the rule."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from gradbench.rules.base import Reference, Rule, Slots

_LATE = 1_000_000
"""A count at which no bias correction corrects anything any more."""


def mutants(rule: Rule) -> dict[str, Reference]:
    """List what somebody might carry out in place of a rule.

    Every number among the rule's fields left out and changed, every switch turned, weight decay
    coupled and decoupled, each slot forgotten, the count stuck, one ahead or without effect, no
    update, half of one, its opposite, two of them; and what the rule adds itself.

    Args:
        rule: A frozen dataclass.

    Returns:
        The reference of each mutant by a name that says what is wrong. One that comes to the same
        as the rule at its hyperparameters is among them: only its results tell.
    """
    found: dict[str, Reference] = {}
    for name, mutant in _field_mutants(rule):
        found[name] = _reference(mutant)
    found |= _decay_mutants(rule)
    for slot in rule.slots:
        found[f"{slot} not kept"] = _forgetful(rule, slot)
    for name, count in {
        "count stuck at 1": lambda count: 1,
        "count one ahead": lambda count: count + 1,
        "bias corrections left out": lambda count: _LATE,
    }.items():
        found[name] = _counting(rule, count)
    found["nothing done"] = lambda p, g, slots, count: (p, dict(slots))
    found["opposite sign"] = lambda p, g, slots, count: _opposite(rule, p, g, slots, count)
    found["done twice"] = lambda p, g, slots, count: _twice(rule, p, g, slots, count)
    return {**found, **rule.mutants()}


def changed(rule: Any, **values: object) -> Any:
    """Copy a rule with other values, be they out of its bounds.

    Args:
        rule: A frozen dataclass.
        values: Of its fields.

    Returns:
        The copy.
    """
    other = copy.copy(rule)
    for name, value in values.items():
        object.__setattr__(other, name, value)
    return other


def _reference(rule: Rule) -> Reference:
    return lambda p, g, slots, count: rule.reference(p, g, slots, count)


def _field_mutants(rule: Any) -> Iterator[tuple[str, Any]]:
    """Change one field at a time, those of a rule that is a field of the rule among them."""
    for field in dataclasses.fields(rule):
        value = getattr(rule, field.name)
        if dataclasses.is_dataclass(value):
            for name, inner in _field_mutants(value):
                yield f"{field.name}.{name}", changed(rule, **{field.name: inner})
        elif isinstance(value, bool):
            word = "left out" if value else "added"
            yield f"{field.name} {word}", changed(rule, **{field.name: not value})
        elif isinstance(value, (int, float)) and value != 0:
            other = neighbour(field.name, value)
            if field.name != "lr" and isinstance(value, float):
                yield f"{field.name} left out", changed(rule, **{field.name: 0.0})
            text = f"{field.name} {other:g} instead of {value:g}"
            yield text, changed(rule, **{field.name: other})


def neighbour(name: str, value: float) -> float:
    """Choose a value that a hyperparameter may be mistaken for.

    Args:
        name: Of the hyperparameter.
        value: Not zero.

    Returns:
        For an integer one less; for a decay rate β, 1 − 10·(1 − β), or half where that is not
        positive; for ε a hundredfold; for any other half.
    """
    if isinstance(value, int):
        return value - 1
    if name == "eps":
        return value * 100
    if name != "lr" and 0.9 < value < 1:
        return 1 - 10 * (1 - value)
    return value / 2


def _decay_mutants(rule: Any) -> dict[str, Reference]:
    """Couple the weight decay with the gradient, and decouple it."""
    decay = getattr(rule, "weight_decay", None)
    if not decay:
        return {}
    without: Rule = changed(rule, weight_decay=0.0)
    return {
        "weight_decay coupled (L2)": lambda p, g, slots, count: without.reference(
            p, g + decay * p, slots, count
        ),
        "weight_decay decoupled": lambda p, g, slots, count: without.reference(
            p * (1 - rule.lr * decay), g, slots, count
        ),
    }


def _forgetful(rule: Rule, slot: str) -> Reference:
    def reference(
        p: Tensor, g: Tensor, slots: Slots, count: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        forgotten = {slot: torch.zeros_like(slots[slot])} if slot in slots else {}
        return rule.reference(p, g, {**slots, **forgotten}, count)

    return reference


def _counting(rule: Rule, count: Callable[[int], int]) -> Reference:
    return lambda p, g, slots, k: rule.reference(p, g, slots, count(k))


def _opposite(
    rule: Rule, p: Tensor, g: Tensor, slots: Slots, count: int
) -> tuple[Tensor, dict[str, Tensor]]:
    value, state = rule.reference(p, g, slots, count)
    return 2 * p - value, state


def _twice(
    rule: Rule, p: Tensor, g: Tensor, slots: Slots, count: int
) -> tuple[Tensor, dict[str, Tensor]]:
    return rule.reference(*_swap(rule.reference(p, g, slots, count), g), count)


def _swap(
    result: tuple[Tensor, dict[str, Tensor]], g: Tensor
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    value, state = result
    return value, g, state
