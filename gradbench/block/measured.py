"""What a worker saw of a block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from gradbench.devices.base import Counts
from gradbench.request.block import Cell
from gradbench.timing.bandwidth import BandwidthControl
from gradbench.timing.compilation import Compiled
from gradbench.timing.compute import ComputeControl
from gradbench.timing.isolation import IsolatedResult
from gradbench.timing.training import TrainingResult
from gradbench.verify.examination import Examination
from gradbench.verify.verification import Verdict


@dataclass(frozen=True)
class Outcome:
    """What became of a cell before it was timed.

    Args:
        cell: Which cell.
        status: ok, approximate, wrong, skipped or failed.
        reason: Why the status is not ok.
        verdict: What verification of the cell found; None where it did not take place.
        examination: What is known of its strategy; None where it was not examined.
    """

    cell: Cell
    status: str
    reason: str | None = None
    verdict: Verdict | None = None
    examination: Examination | None = None

    @property
    def timed(self) -> bool:
        """Whether it is right, to the last bit or as its strategy promises, and so has figures."""
        return self.status in ("ok", "approximate")


@dataclass(frozen=True)
class Measured:
    """All that was seen of a block.

    Args:
        outcomes: One for each cell, in the block's order.
        device_name: Name of the hardware; None where there is none.
        driver: Version of its driver; None where it has none.
        clock_hz: Its highest clock, in Hz; None where unknown.
        memory_bytes: Memory that the device has, in bytes; None where there is none.
        threads: Threads of CPU operators.
        design: product or star; None where nothing was measured.
        shapes: Shape of each tensor that an update writes.
        untrained: Number of tensors that might get a gradient and never did; nothing updates them.
        control: The bandwidth control; None where nothing was measured.
        compute: The compute control; None where the rule has no operations, too.
        isolated: The isolated protocol's result.
        dispatch_s: Seconds of an update on as many tensors of few elements each, by cell.
        counts: What one update does, by cell.
        instructions: Instructions per update, by cell; empty unless asked for.
        training: The training protocol's result.
        compiled: What torch.compile did, by cell; empty where nothing compiles.
        examined: What is known of strategies, by what it is about.
        lost_fraction: Share of elements that a right update leaves as they are; None if unknown.
        verify_s: Seconds that verification took, less those of compiling what is timed as well.
        other_calls_s: Seconds inside verified and counted updates.
    """

    outcomes: list[Outcome]
    device_name: str | None = None
    driver: str | None = None
    clock_hz: float | None = None
    memory_bytes: int | None = None
    threads: int | None = None
    design: str | None = None
    shapes: Sequence[torch.Size] = ()
    untrained: int = 0
    control: BandwidthControl | None = None
    compute: ComputeControl | None = None
    isolated: IsolatedResult | None = None
    dispatch_s: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, Counts] = field(default_factory=dict)
    instructions: Mapping[str, int] = field(default_factory=dict)
    training: TrainingResult | None = None
    compiled: Mapping[str, Compiled] = field(default_factory=dict)
    examined: Mapping[str, Examination] = field(default_factory=dict)
    lost_fraction: float | None = None
    verify_s: float = 0.0
    other_calls_s: float = 0.0

    @property
    def sampling_s(self) -> float:
        """Seconds inside timed calls and the warm-up calls before them.

        The verified updates are warm-up calls, timed to choose the design. What torch.compile took
        in such calls is in ``compile_s`` as well.
        """
        results = (self.isolated, self.training)
        timed = sum(result.sampling_s for result in results if result is not None)
        return self.other_calls_s + timed

    @property
    def compile_s(self) -> float:
        """Seconds in which cells compiled."""
        return sum(compiled.seconds for compiled in self.compiled.values())
