"""What an update does, counted outside of the clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from gradbench.devices.base import Counts, Device
from gradbench.rules.base import Rule
from gradbench.timing.binding import bind_with_gradients
from gradbench.timing.compilation import SETTLING_CALLS, Compilation
from gradbench.timing.contender import Contender
from gradbench.timing.losses import Losses
from gradbench.verify.tensors import Tensors


def count_updates(
    device: Device,
    rule: Rule,
    tensors: Tensors,
    contenders: Sequence[Contender],
    compilation: Compilation,
    losses: Losses,
) -> tuple[dict[str, Counts], float]:
    """Count what updates do, once for each strategy and fate of the gradients.

    Nothing may be timed afterwards: CUDA's profiler, once used, makes every later launch slower.

    Args:
        device: Counts.
        rule: What the strategies carry out.
        tensors: What it is carried out on.
        contenders: Cells, none that updates in backward.
        compilation: Told whose call it was that compiled.
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

    for contender in contenders:
        name, zeroing = contender.cell.name, contender.zeroing
        key = (contender.cell.strategy, zeroing.releases)
        with losses.catch("counting", name):
            if key not in known:
                step, release = bind_with_gradients(contender.strategy, zeroing, rule, tensors)
                for _ in range(SETTLING_CALLS):
                    counted(step)  # sets up
                    if not compilation.credit(name):
                        break
                known[key] = device.count(partial(counted, step))
                release()
            by_cell[name] = known[key]
    return by_cell, spent_s
