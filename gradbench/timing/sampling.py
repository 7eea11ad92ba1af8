"""Interleaved sampling: rounds of one sample per arm, in random order."""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from gradbench.devices.base import Device, Timing
from gradbench.statistics.sample import Phase, Protocol, Sample
from gradbench.timing.arms import Arm, Grouping, naming
from gradbench.timing.compilation import Compilation
from gradbench.timing.empty_call import FREE, EmptyCall, time_empty_call


def sample_of(
    timing: Timing,
    *,
    cell: str,
    protocol: Protocol,
    replicate: int,
    round_: int,
    phase: Phase,
    calls: int,
    empty: EmptyCall = FREE,
    processor: int | None = None,
) -> Sample:
    """Take the clock's own time off a group's timing, and divide the rest by its calls."""
    net = empty.taken_off(timing, calls)
    return Sample(
        cell=cell,
        protocol=protocol,
        replicate=replicate,
        round=round_,
        phase=phase,
        calls=calls,
        seconds=net.wall_s / calls,
        host_s=net.host_s / calls,
        device_s=None if net.device_s is None else net.device_s / calls,
        switched=timing.interrupted,
        empty_call_s=(timing.wall_s - net.wall_s) / calls,
        processor=processor,
    )


@contextmanager
def quiet_interpreter() -> Iterator[None]:
    """Keep Python's garbage collector out of the clock."""
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def empty_calls(
    device: Device, arms: Sequence[Arm], groupings: Sequence[Grouping]
) -> list[EmptyCall]:
    """Time empty calls as each arm is sampled, anew in each replicate, beside its samples.

    Where restoring takes long, the call does too, and the clock's time does not show in it.

    Args:
        device: Its clock is used.
        arms: What will be timed.
        groupings: How each arm is sampled.

    Returns:
        One for each arm.
    """
    shared = time_empty_call(device, grouped=any(each.calls > 1 for each in groupings))
    return [
        _empty_call(device, arm) if arm.restore and each.warm_up else shared
        for arm, each in zip(arms, groupings, strict=True)
    ]


def _empty_call(device: Device, arm: Arm) -> EmptyCall:
    """Time empty calls between an arm's restoring."""
    with naming(arm.cell, arm.phase, f"{arm.phase}: restoring"):
        return time_empty_call(device, restore=arm.restore)


@dataclass
class Rounds:
    """Takes rounds of samples over a set of arms.

    Args:
        device: Its clock is used.
        arms: What to time.
        groupings: How each arm is sampled.
        order: Source of the random order.
        first: Indices of arms that have an untimed call in the first round, however long: it pays
            for what a fresh binding sets up, and for the pages it is the first to touch.
        empty: What is taken off each arm's samples for the clock's own calls; none if empty.
        sampling_s: Seconds spent inside timed and untimed calls so far.
        compilation: Told whose call it was that compiled; updates that it has failed are left out.
        processor: Where the replicate began; None if unknown.
        first_s: Seconds of those calls, by index.
    """

    device: Device
    arms: Sequence[Arm]
    groupings: Sequence[Grouping]
    order: np.random.Generator
    first: Collection[int] = ()
    empty: Sequence[EmptyCall] = ()
    sampling_s: float = 0.0
    compilation: Compilation = field(default_factory=Compilation)
    processor: int | None = None
    first_s: dict[int, float] = field(default_factory=dict)

    def take(self, replicate: int, round_: int) -> list[Sample]:
        """Take one sample of every arm, in random order.

        Args:
            replicate: Number of the replicate.
            round_: Number of the round.

        Returns:
            The samples.

        Raises:
            ArmRaised: One raised; what was sampled in this round is lost.
        """
        samples = []
        for index in self.order.permutation(len(self.arms)):
            arm, calls = self.arms[index], self.groupings[index].calls
            if arm.phase == "update" and arm.cell in self.compilation.failed:
                continue
            # For what the predecessor evicted from the caches, and for what is done once.
            first = round_ == 0 and index in self.first and arm.restore is None
            with naming(arm.cell, arm.phase, arm.phase):
                if self.groupings[index].warm_up or first:
                    before_s = self._group(arm, 1).wall_s if first else self._untimed(arm)
                    self.sampling_s += before_s
                    if first:
                        self.first_s[index] = before_s
                    if self.compilation.credit(arm.cell) and round_ == 0:  # freshly bound
                        self.sampling_s += self._group(arm, 1).wall_s
                        self.compilation.credit(arm.cell)
                timing = self._group(arm, calls)
                self.compilation.credit(arm.cell, timed=True)
            self.sampling_s += timing.wall_s
            samples.append(
                sample_of(
                    timing,
                    cell=arm.cell,
                    protocol="isolated",
                    replicate=replicate,
                    round_=round_,
                    phase=arm.phase,
                    calls=calls,
                    empty=self.empty[index] if self.empty else FREE,
                    processor=self.processor,
                )
            )
        return samples

    def _group(self, arm: Arm, calls: int) -> Timing:
        """Time a group, on what the last one used up."""
        if arm.restore is not None:
            arm.restore()
        return self.device.time(arm.call, calls)

    def _untimed(self, arm: Arm) -> float:
        """Make a call that is no sample, on what the last one used up."""
        if arm.restore is not None:
            arm.restore()
        return self.device.untimed(arm.call)
