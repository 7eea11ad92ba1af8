"""The training protocol: real steps, timed whole; in others each phase, and every gradient seen."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import Any

import numpy as np
from torch import nn

from gradbench.devices.base import Device
from gradbench.models.base import Batch
from gradbench.rules.base import Rule
from gradbench.statistics.sample import Sample
from gradbench.strategies.base import zero_slots
from gradbench.timing.beginning import Beginning
from gradbench.timing.compilation import SETTLING_CALLS, Compilation
from gradbench.timing.contender import Contender
from gradbench.timing.empty_call import EmptyCall, time_empty_call
from gradbench.timing.losses import Losses
from gradbench.timing.passes import (
    LONG_TURN_S,
    MOST_STEPS,
    PHASES_FROM,
    WHOLE_SHARE,
    Cost,
    by_importance,
    least_s,
    participants,
    steps_of_pass,
)
from gradbench.timing.sampling import quiet_interpreter
from gradbench.timing.training_step import TrainingStep
from gradbench.verify.float64_run import Gradients, Left, left_by
from gradbench.verify.gradients import SeenGradients
from gradbench.verify.seeding import seed_step
from gradbench.zeroing.base import Zeroing


def most_steps(steps: int) -> int:
    """Return the most timed steps of any pass, of which the first has ``steps``."""
    return max(steps, MOST_STEPS)


@dataclass
class TrainingResult:
    """What the training protocol saw.

    Args:
        samples: Whole steps, and phases of other ones.
        gradients: A row per tensor and step of the first pass, without block and run.
        sampling_s: Seconds inside steps, untimed and counted ones included.
        step_peaks: Peak memory of a step beyond parameters and state, in bytes, by cell.
        losses: Cells that raised; nothing else is known of them.
    """

    samples: list[Sample] = field(default_factory=list)
    gradients: list[dict[str, Any]] = field(default_factory=list)
    sampling_s: float = 0.0
    step_peaks: dict[str, int] = field(default_factory=dict)
    losses: Losses = field(default_factory=Losses)


@dataclass
class Training:
    """A module that every contender trains from the same start.

    Args:
        device: Its clock is used.
        rule: What the strategies carry out.
        module: What is trained.
        batch: The batch of every step.
        trained: Names of the parameters that get a gradient.
        steps: Timed steps of the first pass, after one untimed.
        seed: Seed of a step's random numbers, plus the step's number.
        float64: Gradients of the float64 run, by what a zeroing leaves; empty without.
        counted: Name of the strategy whose steps' memory is counted, for each zeroing.
        compilation: Told whose step it was that compiled; cells that it has failed train no more.
    """

    device: Device
    rule: Rule
    module: nn.Module
    batch: Batch
    trained: Sequence[str]
    steps: int
    seed: int
    float64: Mapping[Left, list[Gradients]]
    counted: str
    compilation: Compilation = field(default_factory=Compilation)

    def __post_init__(self) -> None:
        self._beginning = Beginning(self.module)
        self._doing = "bind"
        named = dict(self.module.named_parameters())
        self._parameters = [named[name] for name in self.trained]
        self._slots = [zero_slots(self.rule, p) for p in self._parameters]
        self._before_zeroing: dict[bool, tuple[int, int]] = {}
        self._steps_s: dict[str, list[float]] = {}
        self._costs: dict[str, Cost] = {}

    def measure(
        self,
        contenders: Sequence[Contender],
        budget_s: float,
        order: np.random.Generator,
        progress: Callable[[float], None],
        slower: Collection[str] = (),
        fastest: str | None = None,
        longest_s: float = 0.0,
    ) -> TrainingResult:
        """Let every contender train, in random order, pass after pass as far as the budget goes.

        The first pass times phases and looks at gradients; the twin, whose are the baseline's, is
        not in it. Later ones time whole steps of those whom the budget holds often enough. Where it
        does not hold even the baseline, its twin and the fastest, it is made to.

        Args:
            contenders: Verified cells, the twin among them.
            budget_s: Seconds that all passes may take; the first is made all the same, and leaves
                to the later ones ``WHOLE_SHARE`` at least.
            order: Source of the random order.
            progress: Told the fraction done, in [0, 1].
            slower: Cells whose update is certainly slower than the fastest: where a turn takes as
                long as ``LONG_TURN_S`` and the budget is spent without them, they do not train,
                unless they have the baseline's strategy.
            fastest: Cell whose update is the fastest; None if unknown.
            longest_s: Seconds up to which the budget, if there is one, grows for it.

        Returns:
            Samples and gradient statistics of the contenders that trained.
        """
        result = TrainingResult()
        start = self.compilation.clock()
        end = start + budget_s

        def told(fraction: float) -> None:
            spent = (self.compilation.clock() - start) / max(end - start, 1e-9)
            progress(min(max(fraction, spent), 1.0))

        def left_s() -> float:
            return end - self.compilation.clock()

        with quiet_interpreter():
            seen = SeenGradients()
            first = [c for c in contenders if c.cell.role != "twin"]
            needed = [
                c for c in first if c.cell.name not in slower or c.cell.strategy == self.counted
            ]
            self._pass(needed, 0, self.steps, order, result, told, seen)
            for contender in (c for c in first if c not in needed):
                turns_s = [cost.turn_s(self.steps) for cost in self._costs.values()]
                if left_s() > 0 or min(turns_s, default=0.0) < LONG_TURN_S:
                    self._pass([contender], 0, self.steps, order, result, told, seen)
            seen.forget()
            end = max(end, self.compilation.clock() + WHOLE_SHARE * budget_s)
            taking_part, number, slowness = self._by_importance(contenders, fastest), 0, 1.0
            needed_s = least_s(taking_part, self._costs, fastest)
            if budget_s > 0 and needed_s <= longest_s:
                end = max(end, self.compilation.clock() + needed_s)
            while taking_part := participants(
                self._there(taking_part, result), self._costs, left_s(), number
            ):
                costs = [self._costs[c.cell.name] for c in taking_part]
                steps = steps_of_pass(costs, left_s(), number, slowness)
                number += 1
                begun = self.compilation.clock()
                self._pass(taking_part, number, steps, order, result, told)
                expected_s = max(sum(cost.turn_s(steps) for cost in costs), 1e-9)
                slowness = max((self.compilation.clock() - begun) / expected_s, 1.0)
        self.module.zero_grad(set_to_none=True)
        return result

    def _there(self, contenders: Sequence[Contender], result: TrainingResult) -> list[Contender]:
        """Leave out whom the measurement has lost."""
        gone = {*result.losses, *self.compilation.failed}
        return [c for c in contenders if c.cell.name not in gone]

    def _by_importance(
        self, contenders: Sequence[Contender], fastest: str | None
    ) -> list[Contender]:
        """Order the contenders that are there by what their step is worth knowing."""
        baseline = next((c.cell.name for c in contenders if c.cell.role == "baseline"), None)
        for contender in contenders:
            if contender.cell.role == "twin" and baseline in self._costs:
                self._costs[contender.cell.name] = self._costs[baseline]
        return by_importance(contenders, self._costs, fastest)

    def _pass(
        self,
        contenders: Sequence[Contender],
        number: int,
        steps: int,
        order: np.random.Generator,
        result: TrainingResult,
        told: Callable[[float], None],
        seen: SeenGradients | None = None,
    ) -> None:
        """Give each contender a turn, in random order; one that raises is lost, and it alone."""
        empty = time_empty_call(self.device)
        for done, index in enumerate(order.permutation(len(contenders))):
            contender = contenders[index]
            name = contender.cell.name
            if name not in self.compilation.failed:
                try:
                    self._turn(contender, number, steps, result, seen, empty)
                except Exception as error:
                    result.losses.add(error, f"training: {self._doing}", name)
                    result.samples = [sample for sample in result.samples if sample.cell != name]
                    result.gradients = [row for row in result.gradients if row["cell"] != name]
                    result.step_peaks.pop(name, None)
                    self._costs.pop(name, None)
                    self._beginning.disentangle()
            told(done / len(contenders) if number == 0 else 0.0)

    def _turn(
        self,
        contender: Contender,
        number: int,
        steps: int,
        result: TrainingResult,
        seen: SeenGradients | None,
        empty: EmptyCall,
    ) -> None:
        """Take one contender's steps of a pass: an untimed one, then as many as asked for."""
        self._doing = "bind"
        begun = self.compilation.clock()
        self._reset()
        binding = contender.strategy.bind(self.rule, self._parameters, self._slots)
        clear = contender.zeroing.bind(self._parameters)
        name = contender.cell.name
        step = TrainingStep(
            self.device, self.module, self.batch, binding.step, clear, name, number, empty
        )
        apart_s = self.compilation.clock() - begun
        try:
            result.samples += self._steps(step, contender, steps, result, seen)
            if number == 0 and contender.cell.strategy == self.counted:
                step.doing = "memory"
                result.step_peaks[name] = self._step_peak(contender.zeroing, step)
        except BaseException:
            self._doing = step.doing
            with suppress(Exception):  # what was raised first says more
                binding.release()
            raise
        finally:
            result.sampling_s += step.sampling_s
        self._doing = "release"
        binding.release()
        self._costs[name] = Cost(median(self._steps_s[name]), apart_s)

    def _steps(
        self,
        step: TrainingStep,
        contender: Contender,
        steps: int,
        result: TrainingResult,
        seen: SeenGradients | None,
    ) -> list[Sample]:
        """Take the steps of a turn; return their samples, of none that compiled."""
        samples: list[Sample] = []
        settled = False
        for index in range(1 + steps):
            seed_step(self.device.torch_device, self.seed + index)
            settling = not settled and index < SETTLING_CALLS
            compiled_s = self.compilation.seconds
            if seen is not None:
                look = partial(self._look, contender, index, seen, result)
                taken = step.time_phases(index, look)
            elif index == steps >= PHASES_FROM:
                taken = step.time_phases(index)
            else:
                taken = step.time_whole(index)
            compiled = self.compilation.credit(contender.cell.name, timed=not settling)
            if index > 0:  # the first one may set something up
                spent_s = sum(sample.seconds for sample in taken)
                spent_s -= self.compilation.seconds - compiled_s
                self._steps_s.setdefault(contender.cell.name, []).append(max(spent_s, 0.0))
            settled = settled or not compiled
            if index > 0 and not (settling and compiled):
                samples += taken
        return samples

    def _step_peak(self, zeroing: Zeroing, step: TrainingStep) -> int:
        """Count a step's peak memory, in bytes: gradients that lie there, and what it allocates.

        What goes before the zeroing knows of it only whether there are gradients from the step
        before, so one step is counted for each of the two cases.
        """
        if zeroing.releases not in self._before_zeroing:
            gradients = [p.grad for p in self._parameters if p.grad is not None]
            resident = sum(gradient.untyped_storage().nbytes() for gradient in gradients)
            del gradients  # what a zeroing gives back must be free
            memory = self.device.memory(partial(step.counted, step.until_zero))
            self._before_zeroing[zeroing.releases] = (
                resident + memory.peak_bytes,
                resident + memory.left_bytes,
            )
        peak, left = self._before_zeroing[zeroing.releases]
        cleared = self.device.memory(partial(step.counted, step.clear))
        return max(peak, left + cleared.peak_bytes)

    def _reset(self) -> None:
        """Put module and state back to where they began."""
        self._beginning.restore()
        for row in self._slots:
            for tensor in row.values():
                tensor.zero_()

    def _look(
        self, contender: Contender, step: int, seen: SeenGradients, result: TrainingResult
    ) -> None:
        """Look at every parameter's gradient after backward."""
        # The first backward pass has nothing to add to.
        accumulates = contender.zeroing.accumulates and step > 0
        run = self.float64.get(left_by(contender.zeroing))
        reference = run[step] if run else {}
        for name, parameter in self.module.named_parameters():
            row = {"cell": contender.cell.name, "step": step, "tensor": name}
            gradient = parameter.grad
            if gradient is None or gradient.numel() == 0:
                row |= {"present": gradient is not None, "elements": parameter.numel()}
            else:
                key = (name, step, accumulates)
                row |= {
                    "present": True,
                    **vars(seen.statistics(key, gradient, reference.get(name))),
                }
            result.gradients.append(row)
