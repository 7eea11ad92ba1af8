"""Low-rank adapters on a frozen model: many small tensors are trained in a large one."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gradbench.models.base import Batch, Model

INITIAL_STD = 0.02


@dataclass(frozen=True)
class Lora:
    """Another model, frozen, with an adapter on each of its linear layers.

    y = W·x + b + B·A·x, where W and b get no gradient. B starts small, as it is after some steps:
    at zero, where LoRA starts, the gradients of A are zero.

    Args:
        base: The model that is adapted.
        rank: Rows of each A and columns of each B.

    Reference:
        Hu et al. 2021, LoRA: Low-Rank Adaptation of Large Language Models.
    """

    base: Model
    rank: int

    def build(self) -> tuple[nn.Module, Batch]:
        """Builds the base model and adapts it.

        Returns:
            The base model's module, whose linear layers hold the only parameters that require a
            gradient, and its batch.

        Raises:
            UnavailableModel: The base model cannot be built here.
            ValueError: The base model has no linear layer, or its options are wrong.
        """
        if not isinstance(self.rank, int) or self.rank < 1:
            raise ValueError(f"model.rank={self.rank}: choose a number from 1")
        module, batch = self.base.build()
        module.requires_grad_(False)
        linear = [
            (parent, name, child)
            for parent in module.modules()
            for name, child in parent.named_children()
            if isinstance(child, nn.Linear)
        ]
        if not linear:
            raise ValueError(f"{type(module).__name__} has no linear layer to adapt")
        for parent, name, child in linear:
            setattr(parent, name, _Adapted(child, self.rank))
        return module, batch


class _Adapted(nn.Module):
    def __init__(self, linear: nn.Linear, rank: int) -> None:
        super().__init__()
        self.linear = linear
        self.a = nn.Parameter(torch.empty(rank, linear.in_features))
        self.b = nn.Parameter(torch.empty(linear.out_features, rank))
        nn.init.normal_(self.a, std=linear.in_features**-0.5)
        nn.init.normal_(self.b, std=INITIAL_STD)

    def forward(self, x: Tensor) -> Tensor:
        adapted: Tensor = self.linear(x) + F.linear(F.linear(x, self.a), self.b)
        return adapted
