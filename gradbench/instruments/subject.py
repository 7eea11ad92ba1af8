"""What every instrument measures: the updates of a block's baseline, its twin and a candidate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from gradbench.block.axes import Axes, instantiate_axes
from gradbench.block.building import build_model
from gradbench.errors import BadRequest
from gradbench.models.base import UnavailableModel
from gradbench.request.block import Block
from gradbench.timing.contender import Contender
from gradbench.timing.isolated import bind_with_gradients
from gradbench.verify.float64_run import trained_parameters
from gradbench.verify.tensors import Tensors

BASELINE, CANDIDATE, TWIN = "baseline", "candidate", "twin"
ARMS = (BASELINE, CANDIDATE, TWIN)
"""In the order in which an instrument that does not interleave measures them."""

Calls = dict[str, Callable[[], object]]


@dataclass(frozen=True)
class Subject:
    """A block's objects.

    Args:
        block: With one candidate.
        axes: Its options as objects.
        shapes: Shape of each tensor that an update writes.
    """

    block: Block
    axes: Axes
    shapes: list[torch.Size]

    @classmethod
    def of(cls, block: Block) -> Subject:
        """Make a block's objects, and set the threads it asks for.

        Args:
            block: With one candidate.

        Returns:
            The subject.

        Raises:
            BadRequest: It cannot run here.
        """
        axes = instantiate_axes(block)
        reason = axes.device.unavailable()
        for name in (block.cells[0].strategy, *block.asked):
            reason = reason or axes.strategies[name].supports(
                axes.rule, axes.device.torch_device, getattr(torch, block.dtype)
            )
        if reason is not None:
            raise BadRequest(f"nothing can run: {reason}")
        if block.threads is not None:
            torch.set_num_threads(block.threads)
        try:
            module, batch = build_model(block, axes)
        except UnavailableModel as unavailable:
            raise BadRequest(f"nothing can run: {unavailable}") from unavailable
        named = dict(module.named_parameters())
        return cls(block, axes, [named[name].shape for name in trained_parameters(module, batch)])

    def allocate(self) -> Tensors:
        """Allocate fresh tensors."""
        dtype = getattr(torch, self.block.dtype)
        return Tensors.allocate(self.shapes, dtype, self.axes.device.torch_device, self.axes.rule)

    def contenders(self) -> dict[str, Contender]:
        """Return the three cells with the objects that carry them out."""
        cells = {str(cell.role): cell for cell in self.block.cells}
        strategies, zeroings = self.axes.strategies, self.axes.zeroings
        return {
            arm: Contender(cell, strategies[cell.strategy], zeroings[cell.zeroing])
            for arm, cell in ((arm, cells[arm]) for arm in ARMS)
        }

    def calls(self) -> Calls:
        """Bind the three cells to fresh tensors, which they share.

        Returns:
            A call for each arm; on a device with a queue it returns when the work is done.
        """
        tensors = self.allocate()
        return {
            arm: self._finished(
                bind_with_gradients(c.strategy, c.zeroing, self.axes.rule, tensors)[0]
            )
            for arm, c in self.contenders().items()
        }

    def _finished(self, call: Callable[[], object]) -> Callable[[], object]:
        """Make a call wait for its work, as instruments that know no device need it."""
        if self.axes.device.torch_device.type == "cpu":
            return call

        def wait() -> None:
            call()
            torch.cuda.synchronize()

        return wait
