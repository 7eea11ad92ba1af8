"""What approximate strategies promise: how far many updates are off, and whether on average."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Reference, Rule
from gradbench.rules.mutants import mutants
from gradbench.strategies.base import Approximation, Strategy, zero_slots
from gradbench.verify.one_thread import one_thread

_SHAPES = ((128, 64), (8192,))
"""Of tensors large enough for what keeps small ones exact, as 8-bit optimizers do below 4096."""

MANY = (100,)
"""Updates after which a strategy is looked at: errors of single ones average out, or add up."""

SOON = (2, 10, 100)
"""Updates after which what shows at first, such as a bias correction, and what shows late does."""

_STANDARD_ERRORS = 4.0
"""Within which an unbiased error's mean lies, but for 6 of 100,000."""

_MUTANT_ERRORS = 5.0
"""The same of its component along a mutant, of which there are many."""

_NO_BIAS = 1e-6
"""What the mean may be off by where there is next to no error at all."""


@dataclass(frozen=True)
class Approximated:
    """What an approximate strategy's updates come to.

    Args:
        reason: Which promise is broken; None where all are kept.
        update_error: ‖Δ − Δ*‖ / ‖Δ*‖ over all elements, Δ* what the updates add up to in float64.
        bound: What the strategy states that it is at most.
        bias: Σ (Δ − Δ*)·sign Δ* / Σ |Δ*|: how much too far updates go, on average.
        bias_error: Its standard error.
        distances: How far each mutant of the rule is, in the errors at which it would show.
    """

    reason: str | None
    update_error: float
    bound: float
    bias: float
    bias_error: float
    distances: Mapping[str, float]


class ApproximateTrial:
    """Many updates of tensors like a model's, with the truth in float64.

    Gradients are normal, each element's with a scale and a mean of its own; starting values are
    normal with a standard deviation of 0.02, as weights are.

    Args:
        rule: What is carried out.
        dtype: Floating type of the tensors.
        device: Where they are.
        looks: Numbers of updates after which a strategy is looked at.
    """

    def __init__(
        self, rule: Rule, dtype: torch.dtype, device: torch.device, looks: tuple[int, ...]
    ) -> None:
        self._rule, self._dtype, self._device, self._looks = rule, dtype, device, looks
        elements = sum(math.prod(shape) for shape in _SHAPES)

        def drawn(values: Tensor) -> Tensor:
            return values.to(dtype).double().to(device)

        self._start = drawn(0.02 * torch.randn(elements, dtype=torch.float64))
        scale = torch.exp2(torch.randn(elements, dtype=torch.float64))
        mean = 0.5 * torch.randn(elements, dtype=torch.float64)
        self._gradients = [
            drawn(scale * (mean + torch.randn(elements, dtype=torch.float64)))
            for _ in range(looks[-1])
        ]
        self._updates = self._follow(rule.reference)

    def run(self, strategy: Strategy, promised: Approximation) -> Approximated:
        """Let a strategy take the updates.

        Args:
            strategy: Which.
            promised: What it is held to.

        Returns:
            What they come to.

        Raises:
            Exception: Whatever the strategy raises.
        """
        parameters = [
            Parameter(part.to(self._dtype, copy=True)) for part in self._shaped(self._start)
        ]
        slots = [zero_slots(self._rule, parameter) for parameter in parameters]
        binding = strategy.bind(self._rule, parameters, slots)
        found: list[Approximated] = []
        try:
            for count, gradient in enumerate(self._gradients, start=1):
                arriving = [part.to(self._dtype, copy=True) for part in self._shaped(gradient)]
                if strategy.in_backward:
                    for parameter in parameters:
                        parameter.grad = None
                    torch.autograd.backward([p.view_as(p) for p in parameters], arriving)
                else:
                    for parameter, part in zip(parameters, arriving, strict=True):
                        parameter.grad = part
                binding.step()
                if count in self._looks:
                    values = torch.cat([p.detach().reshape(-1) for p in parameters])
                    found.append(self._judge(values.double() - self._start, promised, count))
        finally:
            binding.release()
        return _join(found)

    @cached_property
    def _mutants(self) -> dict[str, list[Tensor]]:
        """Follow every mutant on the first elements: how far off its updates are, by each look."""
        followed = {name: self._follow(m) for name, m in mutants(self._rule).items()}
        return {
            name: [update - truth for update, truth in zip(updates, self._updates, strict=True)]
            for name, updates in followed.items()
        }

    def _judge(self, update: Tensor, promised: Approximation, count: int) -> Approximated:
        look = self._looks.index(count)
        truth = self._updates[look]
        error = update - truth
        relative = float(error.norm() / truth.norm())
        excess, whole = error * truth.sign(), float(truth.abs().sum())
        bias = float(excess.sum()) / whole
        bias_error = float(excess.std()) * math.sqrt(excess.numel()) / whole
        reason = None
        if not relative <= promised.update_error:
            reason = (
                f"{count} updates are off by {relative:.2%} (the strategy states at most "
                f"{promised.update_error:.2%})"
            )
        elif promised.unbiased and abs(bias) > _STANDARD_ERRORS * bias_error + _NO_BIAS:
            reason = (
                f"{count} updates are biased by {bias:+.2%}, with a standard error of "
                f"{bias_error:.2%} (the strategy states none)"
            )
        bound = promised.update_error * float(truth.norm())
        far = {}
        for name, differences in self._mutants.items():
            seen = _compare(error, differences[look], bound, promised.unbiased)
            if seen is None:
                continue
            far[name] = seen.distance
            if seen.is_mutant:
                reason = reason or f"{count} updates are those of a rule with {name}"
        return Approximated(reason, relative, promised.update_error, bias, bias_error, far)

    @one_thread()
    def _follow(self, reference: Reference) -> list[Tensor]:
        """Follow a reference; return what its updates add up to by each look."""
        values = self._shaped(self._start)
        slots = [
            {name: torch.zeros_like(value) for name in self._rule.slots_of(value.shape)}
            for value in values
        ]
        updates = []
        for count, gradient in enumerate(self._gradients, start=1):
            for index, slope in enumerate(self._shaped(gradient)):
                values[index], slots[index] = reference(values[index], slope, slots[index], count)
            if count in self._looks:
                whole = torch.cat([value.reshape(-1) for value in values])
                updates.append(whole - self._start)
        return updates

    def _shaped(self, numbers: Tensor) -> list[Tensor]:
        """Give numbers the shapes of the tensors."""
        parts = numbers.split([math.prod(shape) for shape in _SHAPES])
        return [part.view(shape) for part, shape in zip(parts, _SHAPES, strict=True)]


@dataclass(frozen=True)
class _Comparison:
    distance: float
    is_mutant: bool


def _compare(error: Tensor, difference: Tensor, bound: float, unbiased: bool) -> _Comparison | None:
    """Ask whether an error is what makes a mutant, and how plainly it would show if it were.

    An error e with the mutant's difference d in it is nearer to d than to zero, ‖e − d‖ < ½‖e‖,
    where what else there is is smaller than ‖d‖/√3. An unbiased error is at right angles to every
    d, up to the standard error of its component c = ⟨e, d⟩ / ⟨d, d⟩.
    """
    size = float(difference.norm())
    if not math.isfinite(size):
        return _Comparison(math.inf, is_mutant=False)
    if size <= 1e-12 * bound:  # it comes to the same as the rule
        return None
    rest = float(error.norm())
    distance = max(size / bound, size / (math.sqrt(3) * max(rest, 1e-300)))
    is_mutant = float((error - difference).norm()) < 0.5 * rest
    if unbiased:
        part = float((error * difference).sum()) / size**2
        residual = (error - part * difference) * difference
        standard_error = float(residual.norm()) / size**2
        distance = max(distance, 1 / (_MUTANT_ERRORS * max(standard_error, 1e-300)))
        is_mutant = is_mutant or part > max(0.5, _MUTANT_ERRORS * standard_error)
    return _Comparison(distance, is_mutant)


def _join(looks: Sequence[Approximated]) -> Approximated:
    """Take the look that found something, or the last; a mutant counts where it shows most."""
    decisive = next((look for look in looks if look.reason is not None), looks[-1])
    names = {name for look in looks for name in look.distances}
    far = {name: max(look.distances.get(name, 0.0) for look in looks) for name in sorted(names)}
    return replace(decisive, distances=far)
