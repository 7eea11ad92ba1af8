"""A training step whose update can be put at any place, and what became of the gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from gradbench.observing.setting import Setting, loss
from gradbench.observing.updates import Update
from gradbench.observing.writes import writes_of


class Step:
    """One training step of one weight, watched.

    Args:
        setting: What is computed.
        update: The update; bound here, as an optimizer is built before training.
        earlier: The gradient that an earlier step has left.

    Attributes:
        weight: The parameter that is updated.
        upstream: The leaf upstream.
        updating: Whether the update is being carried out.
    """

    def __init__(self, setting: Setting, update: Update, earlier: Tensor) -> None:
        self.weight, self.upstream = setting.leaves()
        self.updating = False
        self._setting, self._earlier = setting, earlier
        self._read: Tensor | None = None
        self._values: Tensor | None = None
        self._compared: tuple[bool, bool] | tuple[None, None] | None = None
        # Before the update's own hooks, so that it sees the gradient that these read.
        self.weight.register_post_accumulate_grad_hook(lambda _: self._remember())
        self._binding = update.bind(self.weight)
        self._version = writes_of(self.weight)  # after binding, which captures a CUDA graph

    def forward(self) -> Tensor:
        """Run the forward pass.

        Returns:
            The output.
        """
        return self._setting.forward(self.weight, self.upstream)

    def backward(self, output: Tensor) -> None:
        """Run the backward pass of the output's loss.

        Args:
            output: What ``forward`` returned.
        """
        loss(output).backward()

    def update(self) -> None:
        """Update the weight from the gradient at hand."""
        self.updating = True
        self._binding.step()
        self.updating = False

    def update_from_earlier(self) -> None:
        """Update the weight from the gradient that an earlier step has left, and clear it."""
        self.weight.grad = self._earlier.clone()
        self._remember()
        self.update()
        self._compared = self.gradient_kept()
        self.weight.grad = None

    def gradient_kept(self) -> tuple[bool, bool] | tuple[None, None]:
        """Compare ``.grad`` after the update with what the update read.

        Returns:
            Whether it is the same object, and whether its values are bitwise the same; two None
            where the update read nothing.
        """
        if self._compared is not None:
            return self._compared
        if self._read is None or self._values is None:
            return None, None
        gradient = self.weight.grad
        return gradient is self._read, gradient is not None and torch.equal(gradient, self._values)

    def version_delta(self) -> int:
        """Return by how much the weight's version counter has gone up."""
        return writes_of(self.weight) - self._version

    def release(self) -> None:
        """Take the update's hooks and storage away."""
        self._binding.release()

    def _remember(self) -> None:
        gradient = self.weight.grad
        if self._read is None and gradient is not None:
            self._read, self._values = gradient, gradient.clone()
