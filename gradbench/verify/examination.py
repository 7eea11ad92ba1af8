"""What is known of a strategy, whatever the model: every term of the rule, every situation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeGuard

import torch

from gradbench.rules.base import Rule
from gradbench.strategies.base import Approximation, Strategy
from gradbench.verify.approximate import MANY, SOON, Approximated, ApproximateTrial
from gradbench.verify.conditions import Conditions, draw, draw_normal
from gradbench.verify.situations import (
    BY_AUTOGRAD,
    BY_HAND,
    CHANGING,
    OTHER_DTYPE,
    UPDATES,
    Part,
    Situation,
    joined,
)
from gradbench.verify.trial import LR_IS_FIXED, Outcome, Trial
from gradbench.verify.truth import distances

_SHAPES = ((257, 131), (33_000,), (61,))
"""Large enough for the vector and thread loops of kernels, and odd, so that they have tails."""

_WHOLE = ((256, 64), (8192,))
"""The same where the rule is not element-wise."""

_AMPLIFIED = Situation("amplified hyperparameters", tuple(map(Part, _SHAPES)))

_Answer: TypeAlias = tuple[Situation, Outcome | str]
"""What a strategy did in a situation, or says where it refuses."""

_WHOLE_TRIAL = joined((_AMPLIFIED, *BY_AUTOGRAD, *BY_HAND))

_EXPONENTS = -8.0, 4.0
"""Of starting values: the change shows in small ones, weight decay in large ones."""

_SHOWN, _HIDDEN = 5, 10
"""Updates where the state is compared, too, and where a strategy hides it."""

_JUDGED = 8192
"""Elements on which mutants are followed."""


@dataclass(frozen=True)
class Examination:
    """What is known of a strategy.

    Args:
        reason: What is wrong with it; None where it is right.
        wrong_with: Situations of gradients assigned by hand in which it is wrong, in silence.
        refuses: Situations in which it raises, each with what it says.
        float32_count: Whether the values are those of a step count in float32.
        updates: How many were taken with amplified hyperparameters.
        distances: Tolerances between the rule and each of its mutants, by the mutant's name; of an
            approximate strategy in errors at which it would show.
        approximated: What an approximate strategy's updates come to; None of others.
    """

    reason: str | None
    wrong_with: tuple[str, ...]
    refuses: tuple[str, ...]
    float32_count: bool
    updates: int
    distances: dict[str, float]
    approximated: Approximated | None = None

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Examination:
        """Make one of what ``dataclasses.asdict`` made of it.

        Args:
            values: Of the fields.

        Returns:
            The examination.
        """
        found = values["approximated"]
        approximated = None if found is None else Approximated(**found)
        return cls(**{**values, "approximated": approximated})

    @property
    def power(self) -> float:
        """Tolerances between the rule and its nearest mutant."""
        return min(self.distances.values(), default=0.0)

    @property
    def nearest(self) -> str | None:
        """Name of that mutant."""
        return min(self.distances, key=self.distances.__getitem__, default=None)


class Examiner:
    """Examines the strategies of a block, each once.

    The rule is carried out at the hyperparameters of
    :meth:`gradbench.rules.base.Rule.amplified`, on tensors of its own: ordinary ones, and in the
    situations of :mod:`gradbench.verify.situations`, as many at once as can be met, since each
    trial may be a graph to compile; where that fails, fewer and fewer of them.

    Args:
        rule: The block's.
        dtype: Floating type of the tensors.
        device: Where they are.
    """

    def __init__(self, rule: Rule, dtype: torch.dtype, device: torch.device) -> None:
        self._own, self._rule = rule, rule.amplified()
        self._dtype, self._device = dtype, device
        self._approximate: tuple[ApproximateTrial, ApproximateTrial] | None = None
        self._trials: dict[str, Trial] = {}
        self._distances: dict[bool, dict[str, float]] = {}

    def examine(
        self, strategy: Strategy, between: Callable[[], object] = lambda: None
    ) -> Examination:
        """Let a strategy carry out the amplified rule.

        Args:
            strategy: One that supports rule, device and dtype.
            between: Called after each binding's updates.

        Returns:
            What was seen.

        Raises:
            Exception: Whatever the strategy raises on ordinary tensors.
        """
        if strategy.approximation is not None:
            return self._examine_approximate(strategy, strategy.approximation)
        whole = self._meet(_WHOLE_TRIAL, strategy, _SHOWN, _HIDDEN)
        between()
        answers: list[_Answer] = []
        if _is_right(whole):
            ordinary = whole
        else:
            ordinary = self._trial(_AMPLIFIED, _HIDDEN).run(
                strategy, updates=_SHOWN, hidden=_HIDDEN
            )
            between()
            if ordinary.reason is not None:
                return self._examination(f"with {self._rule}, {ordinary.reason}", ordinary)
            for situations in ((_AMPLIFIED, *BY_AUTOGRAD), BY_HAND):
                answers += self._answers(situations, strategy, between)
            if all(_is_right(seen) for _, seen in answers):  # it takes both
                answers.append((_WHOLE_TRIAL, whole))
        for situations in (CHANGING, OTHER_DTYPE):
            answers += self._answers(situations, strategy, between)
        reason, wrong_with, refuses = None, [], []
        for situation, seen in answers:
            if isinstance(seen, Outcome) and situation.changes_lr and seen.kept_lr:
                seen = LR_IS_FIXED
            if isinstance(seen, str):
                refuses.append(f"{situation.name} ({seen})")
            elif seen.reason is not None and situation.by_hand:
                wrong_with.append(f"{situation.name} ({seen.reason})")
            elif seen.reason is not None:
                reason = reason or f"with {situation.name}, {seen.reason}"
        return self._examination(reason, ordinary, wrong_with, refuses)

    def _examination(
        self,
        reason: str | None,
        ordinary: Outcome,
        wrong_with: Sequence[str] = (),
        refuses: Sequence[str] = (),
    ) -> Examination:
        return Examination(
            reason,
            tuple(wrong_with),
            tuple(refuses),
            ordinary.float32_count,
            ordinary.updates,
            self.distances(ordinary.float32_count),
        )

    def distances(self, float32_count: bool) -> dict[str, float]:
        """Say how far the rule's mutants are from it, with amplified hyperparameters.

        Args:
            float32_count: Whether the tolerance is that of a step count in float32.

        Returns:
            Tolerances by name of the mutant.
        """
        if float32_count not in self._distances:
            shapes = ((_JUDGED,),) if self._rule.element_wise else _WHOLE
            given = []
            for shape in shapes:
                drawn = self._draw(torch.Size(shape).numel(), _SHOWN)
                gradients = [gradient.view(shape) for gradient in drawn.gradients]
                given.append((drawn.start.view(shape), gradients))
            self._distances[float32_count] = distances(
                self._rule, given, self._dtype, float32_count=float32_count
            )
        return self._distances[float32_count]

    def _examine_approximate(self, strategy: Strategy, promised: Approximation) -> Examination:
        """Hold a strategy to what it promises, with amplified hyperparameters and the block's."""
        where = self._dtype, self._device
        if self._approximate is None:
            self._approximate = (
                ApproximateTrial(self._rule, *where, SOON),
                ApproximateTrial(self._own, *where, MANY),
            )
        amplified, own = self._approximate
        shown, found = amplified.run(strategy, promised), own.run(strategy, promised)
        reason = None if shown.reason is None else f"with {self._rule}, {shown.reason}"
        return Examination(
            reason or found.reason,
            (),
            (),
            False,
            MANY[-1],
            dict(shown.distances),
            found,
        )

    def _answers(
        self, situations: Sequence[Situation], strategy: Strategy, between: Callable[[], object]
    ) -> list[_Answer]:
        """Ask how a strategy meets each situation: all at once, or else in halves.

        Where each half is met well, what they are together is the answer.
        """
        once = joined(situations)
        seen = self._meet(once, strategy, UPDATES, UPDATES)
        between()
        if _is_right(seen) or len(situations) == 1:
            return [(situation, seen) for situation in situations]
        half = len(situations) // 2
        halves = situations[:half], situations[half:]
        answers = [a for part in halves for a in self._answers(part, strategy, between)]
        return [(once, seen)] if all(_is_right(each) for _, each in answers) else answers

    def _meet(
        self, situation: Situation, strategy: Strategy, updates: int, hidden: int
    ) -> Outcome | str:
        """Let a strategy meet a situation; return what it did, or says where it refuses."""
        try:
            return self._trial(situation, hidden).run(strategy, updates=updates, hidden=hidden)
        except Exception as error:  # a refusal: whatever it is, it is no silent mistake
            return next(iter(str(error).splitlines()), type(error).__name__)

    def _trial(self, situation: Situation, updates: int) -> Trial:
        """Prepare a situation, once for all strategies."""
        if situation.name not in self._trials:
            conditions = [
                self._draw(torch.Size(part.shape).numel(), updates) for part in situation.parts
            ]
            trial = Trial(situation, self._rule, self._dtype, conditions)
            self._trials[situation.name] = trial
        return self._trials[situation.name]

    def _draw(self, elements: int, updates: int) -> Conditions:
        if self._rule.element_wise:
            return draw(elements, updates, self._dtype, self._device, _EXPONENTS)
        return draw_normal(elements, updates, self._dtype, self._device, self._rule.lr / 4)


def _is_right(seen: Outcome | str) -> TypeGuard[Outcome]:
    """Say whether a situation was met, and well."""
    return isinstance(seen, Outcome) and seen.reason is None
