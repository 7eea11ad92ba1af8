"""Strategies that carry out a mutant of a rule, and users' that are wrong on purpose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch.nn import Parameter

from gradbench.rules.base import Reference, Rule, Slots
from gradbench.rules.mutants import mutants
from gradbench.strategies.base import Binding, Strategy


class ByReference(Strategy):
    """Computes a reference in float64, and rounds what it keeps."""

    def __init__(self, chosen: Callable[[Rule], Reference]) -> None:
        self.chosen = chosen

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        reference = self.chosen(rule)
        counts = [0] * len(parameters)

        @torch.no_grad()
        def step() -> None:
            for index, (parameter, row) in enumerate(zip(parameters, slots, strict=True)):
                if parameter.grad is None:
                    continue
                counts[index] += 1
                state = {name: tensor.double() for name, tensor in row.items()}
                given = parameter.double(), parameter.grad.double(), state, counts[index]
                value, kept = reference(*given)
                parameter.copy_(value)
                for name, tensor in row.items():
                    tensor.copy_(kept[name])

        return Binding(step)


def right() -> ByReference:
    """Carries out the rule itself."""
    return ByReference(lambda rule: rule.reference)


def mutant(name: str) -> ByReference:
    """Carries out a mutant; its name is of the mutants of the rule that it is bound to."""
    return ByReference(lambda rule: mutants(rule)[name])


def _torch_optim(kind: type, **changed: Any) -> Callable[[Any, Sequence[Parameter]], Any]:
    def make(rule: Any, parameters: Sequence[Parameter]) -> Any:
        options = {"lr": rule.lr, "betas": (rule.beta1, rule.beta2), "eps": rule.eps, **changed}
        return kind(parameters, **options)

    return make


class _Theirs(Strategy):
    """An optimizer of torch.optim, taken for AdamW."""

    def bind(self, rule: Any, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        return Binding(self.optimizer(rule, parameters).step)

    def optimizer(self, rule: Any, parameters: Sequence[Parameter]) -> Any:
        raise NotImplementedError


class NoWeightDecay(_Theirs):
    """Adam."""

    def optimizer(self, rule: Any, parameters: Sequence[Parameter]) -> Any:
        return _torch_optim(torch.optim.Adam)(rule, parameters)


class CoupledWeightDecay(_Theirs):
    """Adam with its own weight decay."""

    def optimizer(self, rule: Any, parameters: Sequence[Parameter]) -> Any:
        decay = rule.weight_decay
        return _torch_optim(torch.optim.Adam, weight_decay=decay)(rule, parameters)


class OtherBeta2(_Theirs):
    """β₂ 0.99, whatever it should be."""

    def optimizer(self, rule: Any, parameters: Sequence[Parameter]) -> Any:
        changed = {"betas": (rule.beta1, 0.99), "weight_decay": rule.weight_decay}
        return _torch_optim(torch.optim.AdamW, **changed)(rule, parameters)


class OtherEps(_Theirs):
    """ε a hundred times as large."""

    def optimizer(self, rule: Any, parameters: Sequence[Parameter]) -> Any:
        changed = {"eps": 100 * rule.eps, "weight_decay": rule.weight_decay}
        return _torch_optim(torch.optim.AdamW, **changed)(rule, parameters)


class HalfTheLearningRate(_Theirs):
    """Half of it."""

    def optimizer(self, rule: Any, parameters: Sequence[Parameter]) -> Any:
        halved = replace(rule, lr=rule.lr / 2)
        changed = {"weight_decay": rule.weight_decay}
        return _torch_optim(torch.optim.AdamW, **changed)(halved, parameters)


class StepsWithoutGradient(Strategy):
    """Takes a gradient that is not there for zero."""

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        count = 0

        @torch.no_grad()
        def step() -> None:
            nonlocal count
            count += 1
            for parameter, row in zip(parameters, slots, strict=True):
                gradient = parameter.grad
                given = torch.zeros_like(parameter) if gradient is None else gradient
                rule.step(parameter, given, row, count)

        return Binding(step)


class WritesBeside(Strategy):
    """Right, and it writes behind the first parameter."""

    def bind(self, rule: Rule, parameters: Sequence[Parameter], slots: Sequence[Slots]) -> Binding:
        inner = right().bind(rule, parameters, slots)

        def step() -> None:
            inner.step()
            first = parameters[0].detach()
            if first.untyped_storage().nbytes() > first.nbytes:
                behind = first.storage_offset() + first.numel()
                torch.as_strided(first, (1,), (1,), behind).zero_()

        return Binding(step)
