"""What else the machine was doing meanwhile: who took processors, and whether the GPU held back."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass, field

import psutil
import torch

from gradbench.machine.gpu import Gpu, GpuReading, open_gpu
from gradbench.machine.run_queue import RunQueue

BUSY_ELSEWHERE = 0.10
"""Share of the processors that others may use: a desktop at rest takes a few per cent."""

STEAL = 0.02
"""Share of the processors' time that a hypervisor may take."""

WAITING = 0.05
"""Share of their time that threads which could run may wait for a processor."""

SWITCHED = 0.25
"""Share of samples in which the process may be switched out: on an idle machine it was so in 0.24
of a block's samples, which took milliseconds."""

SLOW = 0.50
"""Share of rounds in which the bandwidth control may be slow: on an idle machine it was so in more
than a quarter of the rounds in eleven of 21 blocks, for the control has a spread of its own."""

CLOCK_FALL = 0.90
"""A GPU whose clock falls below this share of its highest held back."""

_TICKS_S = 0.05
"""The kernel counts processors' time in ticks of 10 ms: less than five of them say nothing."""


@dataclass(frozen=True)
class Clocks:
    """Counters of a moment, in seconds unless said otherwise.

    Args:
        wall_s: A clock.
        busy_s: Time that the processors this process may use have worked, for anyone.
        stolen_s: Time that a hypervisor took from them.
        own_s: Processor time of this process, all threads.
        waited_s: Time that its threads could have run and were not let; None where unknown.
        switches: Number of its involuntary context switches.
    """

    wall_s: float
    busy_s: float
    stolen_s: float
    own_s: float
    waited_s: float | None
    switches: int

    @classmethod
    def now(cls) -> Clocks:
        """Read them.

        Returns:
            The counters; steal is 0 where the system does not tell it.

        Source: proc(5), /proc/stat and /proc/[pid]/task/[tid]/schedstat.
        """
        affinity = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
        every = psutil.cpu_times(percpu=True)
        ours = [t for n, t in enumerate(every) if affinity is None or n in affinity] or every
        names = ("user", "nice", "system", "irq", "softirq")
        return cls(
            time.perf_counter(),
            sum(getattr(times, name, 0.0) for times in ours for name in names),
            sum(getattr(times, "steal", 0.0) for times in ours),
            time.process_time(),
            RunQueue().waited_s(),
            involuntary_switches(),
        )


@dataclass(frozen=True)
class Contention:
    """What a measurement shared the machine with.

    Args:
        processors: Number of processors the process may use.
        elsewhere: How many of them others kept busy, on average.
        steal: Share of the processors' time that a hypervisor took.
        waiting: Share of their time that threads of the process waited for a processor; None
            where the system does not tell it.
        switches_per_s: Involuntary context switches of the process per second.
        switched: Share of samples in which the process was switched out more than an idle
            machine does.
        slow: Share of rounds whose bandwidth control was slow.
        gpu: What NVML said after each replicate; empty without a GPU.
    """

    processors: int
    elsewhere: float
    steal: float
    waiting: float | None
    switches_per_s: float
    switched: float
    slow: float
    gpu: tuple[GpuReading, ...] = ()

    @property
    def reason(self) -> str | None:
        """Say in words why the machine was busy; None where it was quiet."""
        return "; ".join(self._reasons()) or None

    def _reasons(self) -> list[str]:
        reasons = []
        if self.elsewhere > BUSY_ELSEWHERE * self.processors:
            reasons.append(
                f"other processes used {self.elsewhere:.1f} of {self.processors} processors"
            )
        if self.steal > STEAL:
            reasons.append(f"a hypervisor took {self.steal:.0%} of the processors' time")
        if self.waiting is not None and self.waiting > WAITING:
            reasons.append(f"its threads waited {self.waiting:.0%} of their time for a processor")
        if self.switched > SWITCHED:
            reasons.append(f"it was switched out in {self.switched:.0%} of the samples")
        if self.slow > SLOW:
            reasons.append(f"memory was slow in {self.slow:.0%} of the rounds")
        return reasons + self._held_back()

    def _held_back(self) -> list[str]:
        """Say how the GPU held back."""
        reasons = []
        throttled = dict.fromkeys(word for reading in self.gpu for word in reading.throttled)
        if throttled:
            reasons.append(f"the GPU throttled: {', '.join(throttled)}")
        clocks = [reading.clock_hz for reading in self.gpu if reading.clock_hz is not None]
        if clocks and min(clocks) < CLOCK_FALL * max(clocks):
            low, high = min(clocks) / 1e6, max(clocks) / 1e6
            reasons.append(f"the GPU's clock fell from {high:.0f} to {low:.0f} MHz")
        return reasons


@dataclass
class Watch:
    """Watches the machine from its making to ``end``.

    Args:
        device: Where is measured.
        start: Counters of the beginning.
        gpu: Asks the GPU; None where there is none to ask.
        readings: What it said so far.
    """

    device: torch.device
    start: Clocks = field(default_factory=Clocks.now)
    gpu: Gpu | None = None
    readings: list[GpuReading] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gpu = self.gpu or open_gpu(self.device)

    def look(self) -> None:
        """Ask the GPU for its clock, while it is still warm from work."""
        if self.gpu is not None:
            self.readings.append(self.gpu.read())

    def end(self, *, switched: float, slow: float, now: Clocks | None = None) -> Contention:
        """Say what the machine was shared with since the start.

        Args:
            switched: Share of samples in which the process was switched out.
            slow: Share of rounds whose bandwidth control was slow.
            now: Counters of the end; None reads them.

        Returns:
            What was seen.
        """
        begun, end = self.start, now or Clocks.now()
        wall_s = max(end.wall_s - begun.wall_s, 1e-9)
        own_s = end.own_s - begun.own_s
        others_s = end.busy_s - begun.busy_s - own_s
        stolen_s = end.stolen_s - begun.stolen_s
        processors = _processors()
        waiting = None
        if end.waited_s is not None and begun.waited_s is not None:
            waited_s = max(end.waited_s - begun.waited_s, 0.0)
            waiting = waited_s / max(waited_s + own_s, 1e-9)
        return Contention(
            processors,
            others_s / wall_s if others_s > _TICKS_S * processors else 0.0,
            stolen_s / (wall_s * processors) if stolen_s > _TICKS_S else 0.0,
            waiting,
            (end.switches - begun.switches) / wall_s,
            switched,
            slow,
            tuple(self.readings),
        )


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def involuntary_switches() -> int:
    """Return how often the process has been switched out against its will.

    Source: getrusage(2), ``ru_nivcsw``; all threads of the process.
    """
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
