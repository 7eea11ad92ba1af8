"""What is counted of a block's updates, outside of the clock and after all timing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from gradbench.block.axes import Axes
from gradbench.devices.base import Counts
from gradbench.request.block import Block
from gradbench.request.task import Progress
from gradbench.timing.compilation import Compilation
from gradbench.timing.contender import Contender
from gradbench.timing.counting import count_updates
from gradbench.timing.instructions import instructions
from gradbench.timing.losses import Losses
from gradbench.verify.tensors import Tensors


@dataclass(frozen=True)
class Counted:
    """What was counted.

    Args:
        counts: What one update does, by cell.
        instructions: Instructions per update, by cell.
        seconds: Seconds inside counted calls, those under valgrind apart.
        losses: Cells that raised.
    """

    counts: Mapping[str, Counts] = field(default_factory=dict)
    instructions: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    losses: Losses = field(default_factory=Losses)


def count_block(
    axes: Axes,
    allocate: Callable[[Sequence[torch.Size]], Tensors],
    shapes: Sequence[torch.Size],
    contenders: Sequence[Contender],
    compilation: Compilation,
) -> Counted:
    """Count launches and memory of each update.

    Args:
        axes: The block's device and rule.
        allocate: Makes tensors.
        shapes: Shape of each.
        contenders: Right cells that do not update in backward.
        compilation: Told whose call it was that compiled.

    Returns:
        The counts; nothing may be timed after them.
    """
    if not contenders:
        return Counted()
    losses = Losses()
    counts, seconds = count_updates(
        axes.device, axes.rule, allocate(shapes), contenders, compilation, losses
    )
    return Counted(counts=counts, seconds=seconds, losses=losses)


def count_instructions(
    block: Block,
    axes: Axes,
    shapes: Sequence[torch.Size],
    contenders: Sequence[Contender],
    progress: Progress,
) -> Counted:
    """Count the instructions of each strategy with the default zeroing.

    Args:
        block: The block.
        axes: Its rule.
        shapes: Shape of each tensor.
        contenders: Right cells that do not update in backward; what compiles is left out, since
            that would take minutes under valgrind.
        progress: Told how far it is.

    Returns:
        The instructions.
    """
    default = [
        contender
        for contender in contenders
        if contender.cell.zeroing == block.default_zeroing and contender.cell.role != "twin"
    ]
    counted: dict[str, int] = {}
    losses = Losses()
    for done, contender in enumerate(default):
        name = contender.cell.name
        progress(0.95 + 0.05 * done / len(default), f"callgrind: {name}")
        with losses.catch("callgrind", name):
            counted[name] = instructions(contender, axes.rule, shapes, getattr(torch, block.dtype))
    return Counted(instructions=counted, losses=losses)
