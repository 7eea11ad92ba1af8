"""Timing calls against each other: interleaved rounds, ratios paired by round."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from gradbench.devices.base import Device
from gradbench.devices.cpu import Cpu
from gradbench.devices.cuda import Cuda
from gradbench.statistics.estimates import Estimates, estimate
from gradbench.statistics.intervals import Interval
from gradbench.statistics.sample import Sample
from gradbench.timing.arms import LONGEST_SAMPLE, Arm, Grouping, choose_calls, with_equal_calls
from gradbench.timing.bandwidth import BandwidthControl
from gradbench.timing.sampling import Rounds, empty_calls, quiet_interpreter

Calls = dict[str, Callable[[], object]]
_CONTROL, _TWIN = "bandwidth", "twin"


@dataclass(frozen=True)
class Paired:
    """Calls timed in the same rounds.

    Args:
        samples: One of every call in every round, of the bandwidth control and the twin too.
        first: The call that the twin repeats.
    """

    samples: list[Sample]
    first: str

    def seconds(self, call: str) -> Interval:
        """Estimate the duration of a call, in seconds; a guess where no sample is clean."""
        return self._estimates(self.first).times[call, "update"]

    def ratio(self, numerator: str, denominator: str) -> Interval:
        """Estimate the time of one call over that of another, paired by round.

        Where no replicate has a clean sample of both there is a guess, without an interval.
        """
        found = self._estimates(numerator).speedups.get(denominator)
        return found or self._guess(numerator, denominator)

    def _guess(self, numerator: str, denominator: str) -> Interval:
        above, below = (
            np.median([s.seconds for s in self.samples if s.cell == call])
            for call in (numerator, denominator)
        )
        return Interval(float(above / below), 0.0, math.inf)

    @property
    def noise_floor(self) -> float | None:
        """Largest departure from 1 that the interval of twin over first call admits."""
        return self._estimates(self.first).noise_floor

    @property
    def contended(self) -> bool:
        """Whether the machine was too busy for clean samples."""
        return self._estimates(self.first).contended

    def _estimates(self, baseline: str) -> Estimates:
        return estimate(self.samples, baseline=baseline, twin=_TWIN, control=_CONTROL)


def time_paired(
    device: torch.device,
    build: Callable[[], Calls],
    *,
    elements: int,
    budget_s: float,
    replicates: int = 5,
    sample_s: float = 200e-6,
    seed: int = 0,
) -> Paired:
    """Time calls in interleaved rounds, on fresh allocations for each replicate.

    Args:
        device: Where.
        build: Makes a replicate's calls by name, in the same order each time.
        elements: Float32 elements that a call reads, for the bandwidth control.
        budget_s: Seconds to spend.
        replicates: Replicates, at least two for an interval.
        sample_s: Shortest duration of a sample, in seconds.
        seed: Seed of the order within rounds.

    Returns:
        The samples; each replicate has at least one round.
    """
    clock = _clock(device)
    order = np.random.default_rng(seed)
    control = BandwidthControl(elements, torch.float32)
    groupings: list[Grouping] = []
    samples: list[Sample] = []
    first = ""
    start = time.perf_counter()
    with quiet_interpreter():
        for replicate in range(replicates):
            calls = build()
            first = next(iter(calls))
            calls = {_CONTROL: control.allocate(device), **calls, _TWIN: calls[first]}
            arms = [Arm(name, "update", call) for name, call in calls.items()]
            if not groupings:
                chosen = [choose_calls(clock, arm, sample_s) for arm in arms]
                groupings = with_equal_calls(chosen, LONGEST_SAMPLE * sample_s)
            empty = empty_calls(clock, arms, groupings)
            rounds, round_ = Rounds(clock, arms, groupings, order, empty=empty), 0
            ends = start + budget_s * (replicate + 1) / replicates
            while round_ == 0 or time.perf_counter() < ends:
                samples += rounds.take(replicate, round_)
                round_ += 1
    return Paired(samples, first)


def _clock(device: torch.device) -> Device:
    return Cuda(device.index or 0) if device.type == "cuda" else Cpu()
