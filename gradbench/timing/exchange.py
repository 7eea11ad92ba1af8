"""The exchange control: how long threads take for what another one has just written."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

_SHARE = 1 << 15
"""Elements of a thread: PyTorch gives none fewer (``at::internal::GRAIN_SIZE``)."""

_PROBE_S = 0.05


@dataclass(frozen=True)
class ExchangeControl:
    """Two products in place, over windows of one vector that lie a thread's share apart.

    What a thread writes in one window is its neighbour's in the other, as the parameters that one
    strategy updates tensor by tensor are another one's to update in one piece. On a virtual machine
    the processors may be moved meanwhile, from one cache that both share to two that share none:
    there every hand-over takes longer, though memory gives more, and which strategy is the fastest
    may change with it.

    Args:
        threads: That share an operator's work.
    """

    threads: int

    @classmethod
    def matching(cls, device: torch.device) -> ExchangeControl | None:
        """Make the control of a device.

        Args:
            device: Where.

        Returns:
            The control; None on a GPU, and where one thread does all the work.
        """
        threads = torch.get_num_threads()
        return cls(threads) if device.type == "cpu" and threads > 1 else None

    def allocate(self, device: torch.device) -> Callable[[], object]:
        """Allocate the vector; return the call."""
        vector = torch.ones((self.threads + 1) * _SHARE, device=device)
        here, there = vector[:-_SHARE], vector[_SHARE:]

        def exchange() -> None:
            here.mul_(1.0)
            there.mul_(1.0)

        return exchange


def exchange_clock(device: torch.device) -> Callable[[], float | None]:
    """Make what times the exchange control by itself, for a twentieth of a second.

    Args:
        device: Where.

    Returns:
        The clock: the first decile of a call's seconds, since a call that waits for a processor
        says nothing of caches; None where there is no control.
    """
    control = ExchangeControl.matching(device)
    if control is None:
        return lambda: None
    call = control.allocate(device)

    def seconds() -> float:
        each_s: list[float] = []
        end = time.perf_counter() + _PROBE_S
        while not each_s or time.perf_counter() < end:
            start = time.perf_counter()
            call()
            each_s.append(time.perf_counter() - start)
        return float(np.quantile(each_s, 0.1))

    return seconds
