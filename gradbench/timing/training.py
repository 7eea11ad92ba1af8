"""The training protocol: real steps, each phase timed, every gradient looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor, nn

from gradbench.devices.base import Device
from gradbench.models.base import Batch, loss
from gradbench.rules.base import Rule
from gradbench.statistics.sample import Phase, Sample
from gradbench.strategies.base import zero_slots
from gradbench.timing.beginning import Beginning
from gradbench.timing.compilation import SETTLING_CALLS, Compilation
from gradbench.timing.contender import Contender
from gradbench.timing.empty_call import EmptyCall, time_empty_call
from gradbench.timing.losses import Losses
from gradbench.timing.sampling import quiet_interpreter, sample_of
from gradbench.verify.float64_run import Gradients, Left, left_by
from gradbench.verify.gradients import SeenGradients
from gradbench.verify.seeding import seed_step
from gradbench.zeroing.base import Zeroing

_LATER_STEPS = 10
"""Most timed steps of a pass after the first: it looks at no gradients, so that it can be longer
and spend less of its time on starting over."""


def most_steps(steps: int) -> int:
    """Return the most timed steps of any pass, of which the first has ``steps``."""
    return max(steps, _LATER_STEPS)


@dataclass
class TrainingResult:
    """What the training protocol saw.

    Args:
        samples: Phases of every timed step.
        gradients: A row per tensor and step of the first pass, without block and run.
        sampling_s: Seconds inside the phases, the untimed first step's included.
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

    def measure(
        self,
        contenders: Sequence[Contender],
        budget_s: float,
        order: np.random.Generator,
        progress: Callable[[float], None],
    ) -> TrainingResult:
        """Let every contender train, in random order, pass after pass as far as the budget goes.

        Args:
            contenders: Verified cells.
            budget_s: Seconds that all passes may take; the first is always made.
            order: Source of the random order.
            progress: Told the fraction done, in [0, 1].

        Returns:
            Samples and gradient statistics of the contenders that trained.
        """
        result = TrainingResult()
        contenders = list(contenders)
        seen = SeenGradients()
        start = self.compilation.clock()
        pass_, steps = 0, self.steps
        with quiet_interpreter():
            while steps > 0:
                empty = time_empty_call(self.device)
                for done, index in enumerate(order.permutation(len(contenders))):
                    if contenders[index].cell.name not in self.compilation.failed:
                        self._attempt(contenders[index], pass_, steps, result, seen, empty)
                    spent = (self.compilation.clock() - start) / max(budget_s, 1e-9)
                    progress(min(max(done / len(contenders) if pass_ == 0 else 0, spent), 1.0))
                pass_ += 1
                seen.forget()
                contenders = [c for c in contenders if c.cell.name not in result.losses]
                if not contenders:
                    break
                left_s = start + budget_s - self.compilation.clock()
                steps = self._steps_within(left_s, len(contenders), result)
        self.module.zero_grad(set_to_none=True)
        return result

    def _steps_within(self, left_s: float, contenders: int, result: TrainingResult) -> int:
        """Say how many timed steps of each contender fit into the rest of the budget."""
        whole = [sample.seconds for sample in result.samples if sample.phase == "step"]
        step_s = max(sum(whole) / max(len(whole), 1), 1e-9)
        # Less the untimed first one; too few would spend the time on starting over.
        fit = int(left_s / (step_s * contenders)) - 1
        return 0 if fit < self.steps else min(fit, most_steps(self.steps))

    def _attempt(
        self,
        contender: Contender,
        pass_: int,
        steps: int,
        result: TrainingResult,
        seen: SeenGradients,
        empty: EmptyCall,
    ) -> None:
        """Take one pass of steps with one contender; if it raises, lose it, and it alone."""
        name = contender.cell.name
        try:
            self._train(contender, pass_, steps, result, seen, empty)
        except Exception as error:
            result.losses.add(error, f"training: {self._doing}", name)
            result.samples = [sample for sample in result.samples if sample.cell != name]
            result.gradients = [row for row in result.gradients if row["cell"] != name]
            result.step_peaks.pop(name, None)
            self._beginning.disentangle()

    def _train(
        self,
        contender: Contender,
        pass_: int,
        steps: int,
        result: TrainingResult,
        seen: SeenGradients,
        empty: EmptyCall,
    ) -> None:
        """Take one pass of steps with one contender."""
        self._doing = "bind"
        self._reset()
        binding = contender.strategy.bind(self.rule, self._parameters, self._slots)
        clear = contender.zeroing.bind(self._parameters)
        held: list[Tensor] = []

        def forward() -> None:
            held.append(loss(self.module, self.batch))

        def backward() -> None:
            held.pop().backward()

        phases: dict[Phase, Callable[[], object]] = {
            "forward": forward,
            "backward": backward,
            "update": binding.step,
            "zero": clear,
        }
        try:
            settled = False
            for step in range(1 + steps):
                seed_step(self.device.torch_device, self.seed + step)
                samples = []
                settling, compiled = not settled and step < SETTLING_CALLS, False
                for phase, call in phases.items():
                    self._doing = phase
                    timing = self.device.time(call, 1)
                    result.sampling_s += timing.wall_s
                    samples.append(
                        sample_of(
                            timing,
                            cell=contender.cell.name,
                            protocol="training",
                            replicate=pass_,
                            round_=step,
                            phase=phase,
                            calls=1,
                            empty=empty,
                        )
                    )
                    timed = not settling
                    compiled |= self.compilation.credit(contender.cell.name, timed=timed)
                    if phase == "backward" and pass_ == 0:
                        result.gradients += self._statistics(contender, step, seen)
                settled = settled or not compiled
                if step > 0 and not (settling and compiled):
                    result.samples += [*samples, _whole(samples)]
            if pass_ == 0 and contender.cell.strategy == self.counted:
                self._doing = "memory"
                result.step_peaks[contender.cell.name] = self._step_peak(contender.zeroing, phases)
        except BaseException:
            with suppress(Exception):  # what was raised first says more
                binding.release()
            raise
        self._doing = "release"
        binding.release()

    def _step_peak(self, zeroing: Zeroing, phases: Mapping[Phase, Callable[[], object]]) -> int:
        """Count a step's peak memory, in bytes: gradients that lie there, and what it allocates.

        What goes before the zeroing knows of it only whether there are gradients from the step
        before, so one step is counted for each of the two cases.
        """
        if zeroing.releases not in self._before_zeroing:

            def step() -> None:
                for phase, call in phases.items():
                    if phase != "zero":
                        call()

            gradients = [p.grad for p in self._parameters if p.grad is not None]
            resident = sum(gradient.untyped_storage().nbytes() for gradient in gradients)
            del gradients  # what a zeroing gives back must be free
            memory = self.device.memory(step)
            self._before_zeroing[zeroing.releases] = (
                resident + memory.peak_bytes,
                resident + memory.left_bytes,
            )
        peak, left = self._before_zeroing[zeroing.releases]
        return max(peak, left + self.device.memory(phases["zero"]).peak_bytes)

    def _reset(self) -> None:
        """Put module and state back to where they began."""
        self._beginning.restore()
        for row in self._slots:
            for tensor in row.values():
                tensor.zero_()

    def _statistics(
        self, contender: Contender, step: int, seen: SeenGradients
    ) -> list[dict[str, Any]]:
        """Look at every parameter's gradient."""
        # The first backward pass has nothing to add to.
        accumulates = contender.zeroing.accumulates and step > 0
        run = self.float64.get(left_by(contender.zeroing))
        reference = run[step] if run else {}
        rows = []
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
            rows.append(row)
        return rows


def _whole(phases: Sequence[Sample]) -> Sample:
    """Add the phases of a step up."""
    first = phases[0]
    device_s = [s.device_s for s in phases if s.device_s is not None]
    return Sample(
        cell=first.cell,
        protocol="training",
        replicate=first.replicate,
        round=first.round,
        phase="step",
        calls=1,
        seconds=sum(s.seconds for s in phases),
        host_s=sum(s.host_s for s in phases),
        device_s=sum(device_s) if device_s else None,
        switched=any(s.switched for s in phases),
        empty_call_s=sum(s.empty_call_s for s in phases),
    )
