"""A small convolutional network: parameters of four dimensions and of one, side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

GROUPS = 8
"""Groups of every normalisation; divides each stage's channels."""


@dataclass(frozen=True)
class ConvNet:
    """Stages of convolution, group norm and GELU, then the mean over pixels and a linear layer.

    Group norm (Wu & He 2018) because batch norm rewrites its buffers in every forward pass, so that
    two passes over one batch would not start alike.

    Args:
        image_size: Height and width in pixels.
        in_channels: Channels of the input.
        channels: Channels of each stage, multiples of 8; all stages but the first halve the image.
        classes: Columns of the output.
        batch_size: Images in the batch.
    """

    image_size: int
    in_channels: int
    channels: Sequence[int]
    classes: int
    batch_size: int

    def build(self) -> tuple[nn.Module, Tensor]:
        """Builds the network, with PyTorch's default initialisation.

        Returns:
            The module and a float32 batch of shape (batch_size, in_channels, image_size,
            image_size).

        Raises:
            ValueError: A stage's channels are no multiple of 8.
        """
        if not self.channels or any(count % GROUPS for count in self.channels):
            raise ValueError(
                f"ConvNet needs channels in multiples of {GROUPS}, got {list(self.channels)}."
            )
        module = nn.Sequential(
            *self._stages(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(self.channels[-1], self.classes),
        )
        shape = (self.batch_size, self.in_channels, self.image_size, self.image_size)
        return module, torch.randn(shape)

    def _stages(self) -> Iterator[nn.Module]:
        for stage, (wide, deep) in enumerate(pairwise((self.in_channels, *self.channels))):
            stride = 1 if stage == 0 else 2
            # No bias: the norm that follows has one.
            yield nn.Conv2d(wide, deep, 3, stride=stride, padding=1, bias=False)
            yield nn.GroupNorm(GROUPS, deep)
            yield nn.GELU()
