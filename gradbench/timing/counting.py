"""What an update does, counted outside of the clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from gradbench.devices.base import Counts, Device
from gradbench.timing.contender import Contender
from gradbench.timing.losses import Losses
from gradbench.timing.sampling import Arm


def count_updates(
    device: Device, contenders: Sequence[Contender], arms: Sequence[Arm], losses: Losses
) -> tuple[dict[str, Counts], float]:
    """Count what updates do, once for each strategy and fate of the gradients.

    Args:
        device: Counts.
        contenders: Cells.
        arms: Their updates, and maybe more after them.
        losses: Where those are recorded that raise.

    Returns:
        The counts by cell, and the seconds inside the counted calls.
    """
    known: dict[tuple[str, bool], Counts] = {}
    by_cell = {}
    spent_s = 0.0

    def counted(call: Callable[[], object]) -> None:
        nonlocal spent_s
        start = time.perf_counter()
        call()
        spent_s += time.perf_counter() - start

    for contender, arm in zip(contenders, arms, strict=False):  # the zeroings' arms come after
        key = (contender.cell.strategy, contender.zeroing.releases)
        with losses.catch("counting", contender.cell.name):
            if key not in known:
                known[key] = device.count(partial(counted, arm.call))
            by_cell[contender.cell.name] = known[key]
    return by_cell, spent_s
