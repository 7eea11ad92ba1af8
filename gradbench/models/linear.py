"""One linear layer: the network of the article that started this project."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Linear:
    """y = x W^T + b, alone.

    Its input needs no gradient, so the layer does not save its weight: changing the weight between
    forward and backward is harmless here, and in hardly any larger model.

    Args:
        in_features: Columns of the weight.
        out_features: Rows of the weight.
        batch_size: Rows of the input.
    """

    in_features: int
    out_features: int
    batch_size: int

    def build(self) -> tuple[nn.Module, Tensor]:
        """Returns the layer and a float32 batch of shape (batch_size, in_features)."""
        module = nn.Linear(self.in_features, self.out_features)
        return module, torch.randn(self.batch_size, self.in_features)
