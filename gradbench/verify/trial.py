"""A strategy's updates in one situation, held against the float64 truth of each parameter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Parameter

from gradbench.rules.base import Rule
from gradbench.strategies.base import Strategy, zero_slots
from gradbench.verify.conditions import Conditions
from gradbench.verify.expected import Expected, excess
from gradbench.verify.situations import (
    Part,
    Situation,
    gradient_numbers,
    make_gradient,
    make_parameter,
    other_dtype,
)
from gradbench.verify.truth import follow
from gradbench.verify.ulps import computed_unit, ulp

LR_CHANGES = 2
"""Update, from 0, before which the learning rate is halved."""

LR_IS_FIXED = "the learning rate is fixed when the strategy is bound"


@dataclass(frozen=True)
class Outcome:
    """What a strategy did.

    Args:
        reason: What is wrong; None where it is right.
        float32_count: Whether the values are those of a step count in float32.
        updates: How many were taken.
        kept_lr: Whether the learning rate was to change and could not.
    """

    reason: str | None
    float32_count: bool
    updates: int
    kept_lr: bool = False


class Trial:
    """A situation with its numbers and their truth.

    Args:
        situation: What comes.
        rule: What is carried out.
        dtype: Floating type of the parameters.
        conditions: Numbers of each part.
    """

    def __init__(
        self,
        situation: Situation,
        rule: Rule,
        dtype: torch.dtype,
        conditions: Sequence[Conditions],
    ) -> None:
        self._situation, self._rule, self._dtype = situation, rule, dtype
        self._conditions = conditions
        self._arriving = other_dtype(dtype) if situation.other_dtype else dtype
        self._gradients = [
            gradient_numbers(part, [g.to(self._arriving).double() for g in numbers.gradients])
            for part, numbers in zip(situation.parts, conditions, strict=True)
        ]
        self._expected: dict[tuple[bool, bool], list[list[Expected]]] = {}

    def run(self, strategy: Strategy, *, updates: int, hidden: int) -> Outcome:
        """Let a strategy take updates.

        Args:
            strategy: Which.
            updates: How many, where it shows its state.
            hidden: How many, where it does not.

        Returns:
            What it did.

        Raises:
            Exception: Whatever it raises.
        """
        parts = self._situation.parts
        parameters = [
            make_parameter(part, numbers.start.to(self._dtype))
            for part, numbers in zip(parts, self._conditions, strict=True)
        ]
        slots = [zero_slots(self._rule, parameter) for parameter in parameters]
        binding = strategy.bind(self._rule, parameters, slots)
        changes = self._situation.changes_lr and binding.set_lr is not None
        unit = computed_unit(self._rule, [torch.Size(part.shape) for part in parts], self._dtype)
        judge = _Judge(lambda float32: self._truth(changes, float32), parts, self._dtype, unit)
        update = 0
        try:
            while judge.reason is None and update < hidden:
                if changes and update == LR_CHANGES and binding.set_lr is not None:
                    binding.set_lr(self._rule.lr / 2)
                self._give(strategy, parameters, update)
                binding.step()
                judge.look(parameters, update)
                update += 1
                if update == updates:
                    shown = binding.state() if binding.state is not None else _written(slots)
                    if shown is not None:
                        judge.look_at_state(shown, update - 1)
                        break
        finally:
            binding.release()
        kept = self._situation.changes_lr and not changes
        return Outcome(judge.reason, judge.float32_count, update, kept)

    def _give(self, strategy: Strategy, parameters: Sequence[Parameter], update: int) -> None:
        """Bring an update's gradients to where a strategy finds them."""
        dtype = self._arriving
        present, arriving = [], []
        for parameter, part, numbers in zip(
            parameters, self._situation.parts, self._gradients, strict=True
        ):
            given = numbers[update]
            gradient = None if given is None else make_gradient(part, given.to(dtype))
            parameter.grad = None
            if dtype != parameter.dtype:
                parameter.grad_dtype = dtype
            if gradient is None:
                continue
            if not strategy.in_backward:
                parameter.grad = gradient
            present.append(parameter.view_as(parameter))
            arriving.append(gradient)
        if strategy.in_backward and present:
            torch.autograd.backward(present, arriving)

    def _truth(self, changes_lr: bool, float32_count: bool) -> list[list[Expected]]:
        """Follow the reference for each part, once for all strategies."""
        key = changes_lr, float32_count
        if key not in self._expected:
            updates = len(self._conditions[0].gradients)
            later = self._rule.with_lr(self._rule.lr / 2) if changes_lr else self._rule
            rules = [self._rule if k < LR_CHANGES else later for k in range(updates)]
            self._expected[key] = [
                follow(
                    rules,
                    numbers.start.view(part.shape),
                    [None if g is None else g.view(part.shape) for g in gradients],
                    self._dtype,
                    float32_count=float32_count,
                )
                for part, numbers, gradients in zip(
                    self._situation.parts, self._conditions, self._gradients, strict=True
                )
            ]
        return self._expected[key]


class _Judge:
    """What was seen so far, held against the truth."""

    def __init__(
        self,
        truth: Callable[[bool], list[list[Expected]]],
        parts: Sequence[Part],
        dtype: torch.dtype,
        unit: tuple[float, str],
    ) -> None:
        self._truth, self._parts, self._dtype, self._unit = truth, parts, dtype, unit
        self.reason: str | None = None
        self.float32_count = False

    def look(self, parameters: Sequence[Tensor], update: int) -> None:
        """Compare parameters after an update."""
        values = [parameter.detach() for parameter in parameters]
        self._compare("values are", values, update, None)

    def look_at_state(self, shown: Sequence[Mapping[str, Tensor | int]], update: int) -> None:
        """Compare the state after an update, and each parameter's count of them."""
        names = {name for expected in self._truth(False) for name in expected[0].state}
        for name in sorted(names):
            tensors = [torch.as_tensor(row[name]) if name in row else None for row in shown]
            self._compare(f"{name} is", tensors, update, name)
        for part, row in zip(self._parts, shown, strict=True):
            taken = sum(k not in part.missing for k in range(update + 1))
            if "step" in row and float(row["step"]) != taken and self.reason is None:
                self.reason = f"step is {float(row['step']):g} after {taken} updates"

    def _compare(
        self,
        subject: str,
        tensors: Sequence[Tensor | None],
        update: int,
        slot: str | None,
    ) -> None:
        """Compare, with the tolerance of a float32 count where nothing less explains it."""
        found: str | None = None
        for float32_count in (False, True)[self.float32_count :]:
            found = None
            for tensor, expected in zip(tensors, self._truth(float32_count), strict=True):
                if tensor is None:
                    continue
                value, tolerance, scale = (t.reshape(-1) for t in expected[update].of(slot))
                together = expected[update].together
                far = excess(tensor.reshape(-1), value, tolerance, together=together)
                if far.numel() and float(far.max()) > 1:
                    worst = int(far.argmax())
                    coarser, of = self._unit
                    unit = coarser * float(ulp(scale[worst], self._dtype))
                    error = float((tensor.reshape(-1)[worst].double() - value[worst]).abs()) / unit
                    allowed = float(tolerance[worst]) / unit
                    found = (
                        f"{subject} off by {error:.3g} ulp{of} (at most {allowed:.3g}) "
                        f"after {update + 1} updates"
                    )
                    break
            if found is None:
                self.float32_count = float32_count
                break
        self.reason = self.reason or found


def _written(slots: Sequence[Mapping[str, Tensor]]) -> Sequence[Mapping[str, Tensor]] | None:
    """Return the rule's slots if the strategy keeps its state there, or there is none to keep."""
    tensors = [tensor for row in slots for tensor in row.values()]
    return slots if not tensors or any(bool(tensor.any()) for tensor in tensors) else None
