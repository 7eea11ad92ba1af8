"""What an update costs by its calls alone: the same update on tensors of few elements."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence

import torch

from gradbench.devices.base import Device
from gradbench.rules.base import Rule
from gradbench.timing.binding import bind_with_gradients
from gradbench.timing.compilation import Compilation
from gradbench.timing.contender import Contender
from gradbench.timing.empty_call import EmptyCall, time_empty_call
from gradbench.timing.losses import Losses
from gradbench.verify.tensors import Tensors

_SAMPLES = 5
_SAMPLE_S = 5e-4
_LONGEST_S = 0.1
"""Of a strategy's samples together: of thousands of tensors one call says enough, and five of each
strategy would take longer than all else that is timed."""
_ELEMENTS = 2
"""Of each tensor: so few that their bytes cost nothing. torch.compile makes a graph of its own for
one element, but not for two."""


def dispatch_seconds(
    device: Device,
    rule: Rule,
    shapes: Sequence[torch.Size],
    dtype: torch.dtype,
    contenders: Sequence[Contender],
    losses: Losses,
    most_calls: int = 1000,
    compilation: Compilation | None = None,
) -> dict[str, float]:
    """Time each strategy on as many tensors of few elements each.

    Args:
        device: Where.
        rule: What the strategies carry out.
        shapes: Shape of each tensor of the block.
        dtype: Floating type of the tensors.
        contenders: Verified cells, none that updates in backward.
        losses: Where those are recorded that raise.
        most_calls: Most calls in a sample.
        compilation: Told whose call it was that compiled.

    Returns:
        Seconds of one update by cell, the median of five samples, fewer where they take longer than
        0.1 s, less that of empty calls; taken once for each strategy and fate of the gradients.
            Cells whose strategy would compile these shapes anew have none: that takes seconds, and
            another graph need not have the same calls.
    """
    tensors = Tensors.allocate(small_shapes(rule, shapes), dtype, device.torch_device, rule)
    empty = time_empty_call(device, grouped=most_calls > 1)
    compilation = compilation or Compilation()
    known: dict[tuple[str, bool], float] = {}
    by_cell = {}
    for contender in contenders:
        if contender.strategy.shapes_compiled:
            continue
        key = (contender.cell.strategy, contender.zeroing.releases)
        with losses.catch("timing: dispatch", contender.cell.name):
            if key not in known:
                step, release = bind_with_gradients(
                    contender.strategy, contender.zeroing, rule, tensors
                )
                try:
                    known[key] = _median_seconds(
                        device, step, most_calls, empty, compilation, contender.cell.name
                    )
                finally:
                    release()
            by_cell[contender.cell.name] = known[key]
    return by_cell


def small_shapes(rule: Rule, shapes: Sequence[torch.Size]) -> list[torch.Size]:
    """Shrink tensors until their bytes and what is computed with them cost nothing.

    Args:
        rule: What is carried out. Where it is element-wise, only the number of elements matters.
        shapes: Shape of each tensor.

    Returns:
        Shapes of as many dimensions, one at least: of two elements each, or, where the rule is not
        element-wise, with each size replaced by its rank among all sizes, counted from two: what
        is tall stays tall, and what has the same shape as another still has.
    """
    if rule.element_wise:
        return [torch.Size([_ELEMENTS, *[1] * (len(shape) - 1)]) for shape in shapes]
    sizes = sorted({size for shape in shapes for size in shape})
    rank = {size: _ELEMENTS + place for place, size in enumerate(sizes)}
    return [torch.Size([rank[size] for size in shape] or [_ELEMENTS]) for shape in shapes]


def _median_seconds(
    device: Device,
    call: Callable[[], object],
    most_calls: int,
    empty: EmptyCall,
    compilation: Compilation,
    cell: str,
) -> float:
    device.time(call, 1)  # sets up
    once_s = device.time(call, 1).wall_s
    if compilation.credit(cell):  # tensors of two elements may have graphs of their own
        once_s = device.time(call, 1).wall_s
    calls = min(max(math.ceil(_SAMPLE_S / max(once_s, 1e-9)), 1), most_calls)
    samples = min(max(int(_LONGEST_S / max(once_s * calls, 1e-9)), 1), _SAMPLES)
    timings = [empty.taken_off(device.time(call, calls), calls) for _ in range(samples)]
    compilation.credit(cell, timed=True)
    return statistics.median(timing.wall_s / calls for timing in timings)
