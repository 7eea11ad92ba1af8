"""What an update does, counted outside of the clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from gradbench.devices.base import Counts, Device
from gradbench.timing.contender import Contender
from gradbench.timing.losses import Losses
from gradbench.timing.sampling import Arm


def kind(contender: Contender) -> tuple[str, bool]:
    """Tell updates apart that may do different things: by strategy and fate of the gradients."""
    return contender.cell.strategy, contender.zeroing.releases


def count_updates(
    device: Device, contenders: Sequence[Contender], arms: Sequence[Arm], losses: Losses
) -> tuple[dict[str, Counts], float]:
    """Count what updates do, once for each strategy and fate of the gradients.

    Args:
        device: Counts.
        contenders: Cells.
        arms: Updates of one of each kind at least, and others.
        losses: Where those are recorded that raise.

    Returns:
        The counts by cell, and the seconds inside the counted calls.
    """
    known: dict[tuple[str, bool], Counts] = {}
    updates = {arm.cell: arm for arm in arms if arm.phase == "update"}
    spent_s = 0.0

    def counted(call: Callable[[], object]) -> None:
        nonlocal spent_s
        start = time.perf_counter()
        call()
        spent_s += time.perf_counter() - start

    for contender in contenders:
        name = contender.cell.name
        if name in updates and kind(contender) not in known:
            with losses.catch("counting", name):
                known[kind(contender)] = device.count(partial(counted, updates[name].call))
    named = {contender.cell.name: kind(contender) for contender in contenders}
    return {name: known[key] for name, key in named.items() if key in known}, spent_s
