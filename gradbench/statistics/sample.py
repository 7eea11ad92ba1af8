"""One timed group of calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Phase = Literal["forward", "backward", "update", "zero", "step"]
Protocol = Literal["isolated", "training"]


@dataclass(frozen=True)
class Sample:
    """One timed group of calls.

    Args:
        cell: Name of the cell.
        protocol: How it was timed.
        replicate: Number of the replicate, or of the training pass.
        round: Number of the round within it, or of the training step.
        phase: What was timed.
        calls: Back-to-back calls.
        seconds: Wall time per call beyond that of an empty one, in seconds.
        host_s: Time per call until the calls had returned, beyond that of an empty one, in seconds.
        device_s: Time per call between events on the device, in seconds; None on CPU.
        switched: Whether the process was switched out more than an idle machine does, stood still,
            or had its clock set back.
        empty_call_s: What was taken off ``seconds`` for the clock's own calls, in seconds.
        processor: Number of the CPU's processor on which the replicate began; None if unknown.
    """

    cell: str
    protocol: Protocol
    replicate: int
    round: int
    phase: Phase
    calls: int
    seconds: float
    host_s: float
    device_s: float | None
    switched: bool
    empty_call_s: float = 0.0
    processor: int | None = None
