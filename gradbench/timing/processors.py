"""The processors that the timing thread may use: each replicate begins on another one."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

_HELD_S = 0.010
"""The thread is held where it was moved to until those that share an operator's work, and spin for
some milliseconds after it, have made room; let go at once, it would be moved back."""

_NODES = Path("/sys/devices/system/node")


class Processors:
    """Has the thread that is timed begin every replicate on another processor.

    The scheduler leaves a busy thread where it is, for a whole run and longer, and processors are
    not alike: a virtual machine's share their cores with neighbours. Of two of which one was slow
    ``torch.optim.SGD`` took 2.6 times as long as ``torch._foreach_add_`` there, and 1.9 times on
    the other one. So a replicate varies that, as it varies where tensors lie. The thread is let go
    before anything is timed: the scheduler may move it again.

    Args:
        device: Where the work is done; on a GPU nothing is moved.
        order: Source of the order of processors.
    """

    def __init__(self, device: torch.device, order: np.random.Generator) -> None:
        may = _near(_allowed()) if device.type == "cpu" else []
        self._turns: list[int] = [may[index] for index in order.permutation(len(may)).tolist()]
        self._turn = 0

    def begin(self) -> int | None:
        """Move the calling thread to the next processor, in turn.

        Returns:
            Its number; None where there is only one, or it cannot be moved.
        """
        if len(self._turns) < 2:
            return None
        allowed = os.sched_getaffinity(0)
        there = self._turns[self._turn % len(self._turns)]
        self._turn += 1
        if there not in allowed:
            return None
        try:
            os.sched_setaffinity(0, {there})
        except OSError:  # a sandbox may forbid it
            return None
        try:
            time.sleep(_HELD_S)
        finally:
            os.sched_setaffinity(0, allowed)
        return there


def _allowed() -> list[int]:
    """List the processors that the calling thread may use; none where a system cannot say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def _near(processors: Sequence[int]) -> list[int]:
    """Keep those of the memory node that has most of them: tensors stay near their thread."""
    lists = [_numbers(path.read_text()) for path in sorted(_NODES.glob("node[0-9]*/cpulist"))]
    each = [[number for number in processors if number in own] for own in lists]
    return max(each, key=len, default=list(processors)) or list(processors)


def _numbers(written: str) -> set[int]:
    """Read a list such as ``0-3,8``."""
    found: set[int] = set()
    for part in filter(None, written.strip().split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found
