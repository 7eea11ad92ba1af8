"""Multilayer perceptrons: from a few large matrices to many tiny ones."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class MLP:
    """Linear layers with tanh between them: smooth, so that dtypes can be compared.

    Hidden layer l of L computes h_l = tanh(W_l h_{l-1} + b_l). With ``residual`` it computes
    h_l = h_{l-1} + tanh(W_l h_{l-1} + b_l) / sqrt(L), whose gradients neither vanish nor explode
    however large L is (Hayou et al. 2021, Stable ResNet).

    Args:
        in_features: Columns of the input.
        width: Columns of every hidden layer.
        hidden_layers: L; with the output layer the module has 2 (L + 1) tensors.
        out_features: Columns of the output.
        batch_size: Rows of the input.
        residual: Whether each hidden layer adds to its input; needs in_features equal to width.
    """

    in_features: int
    width: int
    hidden_layers: int
    out_features: int
    batch_size: int
    residual: bool = False

    def build(self) -> tuple[nn.Module, Tensor]:
        """Builds the perceptron, with PyTorch's default initialisation.

        Returns:
            The module and a float32 batch of shape (batch_size, in_features).

        Raises:
            ValueError: A residual perceptron's input is not as wide as its hidden layers.
        """
        if self.residual and self.in_features != self.width:
            raise ValueError(
                f"A residual MLP needs in_features equal to width, got {self.in_features} "
                f"and {self.width}."
            )
        sizes = (self.in_features, *[self.width] * self.hidden_layers, self.out_features)
        module = _Perceptron(sizes, self.residual)
        return module, torch.randn(self.batch_size, self.in_features)


class _Perceptron(nn.Module):
    def __init__(self, sizes: tuple[int, ...], residual: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(rows, columns) for rows, columns in pairwise(sizes))
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        *hidden, last = self.layers
        for layer in hidden:
            update = torch.tanh(layer(x))
            x = x + update / len(hidden) ** 0.5 if self.residual else update
        output: Tensor = last(x)
        return output
