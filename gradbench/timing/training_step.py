"""A training step of one contender: timed whole, or phase by phase in steps of their own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from gradbench.devices.base import Device
from gradbench.models.base import Batch, loss
from gradbench.statistics.sample import Phase, Sample
from gradbench.timing.empty_call import EmptyCall
from gradbench.timing.sampling import sample_of


@dataclass
class TrainingStep:
    """A contender's step, bound to the parameters of a module.

    Args:
        device: Its clock is used.
        module: What is trained.
        batch: The batch of the step.
        update: Carries out the update.
        clear: Clears the gradients.
        cell: Name of the contender's cell.
        pass_: Number of the pass.
        empty: What is taken off for the clock's own calls.

    Attributes:
        doing: What was done last, for the reason of what it raised.
        sampling_s: Seconds inside timed and counted calls.
    """

    device: Device
    module: nn.Module
    batch: Batch
    update: Callable[[], None]
    clear: Callable[[], None]
    cell: str
    pass_: int
    empty: EmptyCall
    doing: str = field(default="step", init=False)
    sampling_s: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        held: list[Tensor] = []

        def forward() -> None:
            held.append(loss(self.module, self.batch))

        def backward() -> None:
            held.pop().backward()

        self.phases: Mapping[Phase, Callable[[], None]] = {
            "forward": forward,
            "backward": backward,
            "update": self.update,
            "zero": self.clear,
        }

    def whole(self) -> None:
        """Take a step as people do: nothing waits for the device within it."""
        loss(self.module, self.batch).backward()
        self.update()
        self.clear()

    def until_zero(self) -> None:
        """Take a step up to the zeroing."""
        loss(self.module, self.batch).backward()
        self.update()

    def time_whole(self, step: int) -> list[Sample]:
        """Time a step once, as a whole.

        A sum of phases is no such time: after each the host would wait for the device, which on a
        GPU it runs ahead of, and a strategy that keeps the host busy would look too slow.

        Args:
            step: Number of the step in its pass.

        Returns:
            Its sample.
        """
        return [self._time("step", self.whole, step)]

    def time_phases(self, step: int, seen: Callable[[], None] | None = None) -> list[Sample]:
        """Time the phases of a step, each alone.

        Args:
            step: Number of the step in its pass.
            seen: Called, outside of the clock, when backward has left its gradients.

        Returns:
            A sample of each phase.
        """
        samples = []
        for phase, call in self.phases.items():
            samples.append(self._time(phase, call, step))
            if phase == "backward" and seen is not None:
                seen()
        return samples

    def counted(self, call: Callable[[], None]) -> None:
        """Call what is counted, not timed.

        Args:
            call: A part of the step.
        """
        start = time.perf_counter()
        call()
        self.sampling_s += time.perf_counter() - start

    def _time(self, phase: Phase, call: Callable[[], None], step: int) -> Sample:
        self.doing = phase
        timing = self.device.time(call, 1)
        self.sampling_s += timing.wall_s
        return sample_of(
            timing,
            cell=self.cell,
            protocol="training",
            replicate=self.pass_,
            round_=step,
            phase=phase,
            calls=1,
            empty=self.empty,
        )
