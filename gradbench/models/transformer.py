"""The GPT-2 architecture (Radford et al. 2019), from toy size to the published one."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

INITIAL_STD = 0.02


@dataclass(frozen=True)
class Transformer:
    """A decoder-only transformer with pre-norm blocks, biases, learned positions and a tied head.

    The loss is the mean cross-entropy of random targets, so about log(vocabulary) at the start.
    There is no dropout.

    Args:
        vocabulary: Rows of the token embedding, which is also the head.
        context: Rows of the position embedding.
        width: Columns of both.
        layers: Blocks of 12 tensors; the module has 12 layers + 4 tensors.
        heads: Attention heads; divides width.
        batch_size: Sequences in the batch.
        sequence_length: Tokens in a sequence; at most context.

    Reference:
        Radford et al. 2019, Language Models are Unsupervised Multitask Learners.
    """

    vocabulary: int
    context: int
    width: int
    layers: int
    heads: int
    batch_size: int
    sequence_length: int

    def build(self) -> tuple[nn.Module, tuple[Tensor, Tensor]]:
        """Builds the transformer, with normal weights of standard deviation 0.02.

        Returns:
            The module, which maps tokens and targets to a 0-dim loss, and these two, both int64 of
            shape (batch_size, sequence_length).

        Raises:
            ValueError: The sizes do not fit each other.
        """
        if self.width % self.heads:
            raise ValueError(
                f"Transformer needs heads that divide width, got {self.heads} and {self.width}."
            )
        if self.sequence_length > self.context:
            raise ValueError(
                f"Transformer needs sequence_length of at most context, "
                f"got {self.sequence_length} and {self.context}."
            )
        module = _GPT(self.vocabulary, self.context, self.width, self.layers, self.heads)
        _initialise(module, self.layers)
        shape = (self.batch_size, self.sequence_length)
        return module, (
            torch.randint(self.vocabulary, shape),
            torch.randint(self.vocabulary, shape),
        )


def _initialise(module: nn.Module, layers: int) -> None:
    for name, parameter in module.named_parameters():
        if parameter.dim() == 2:
            # Each block adds twice to the residual stream: keep the sum's variance at that of one.
            shrink = (2 * layers) ** -0.5 if name.endswith("project.weight") else 1.0
            nn.init.normal_(parameter, std=INITIAL_STD * shrink)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)


class _GPT(nn.Module):
    def __init__(self, vocabulary: int, context: int, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.Sequential(*(_Block(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        positions = self.positions.weight[: tokens.shape[-1]]
        x = self.norm(self.blocks(self.tokens(tokens) + positions))
        logits = F.linear(x, self.tokens.weight)
        # The logarithm of a sum over the vocabulary has no digits left in half precision.
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = _Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.feedforward = _FeedForward(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        x = x + self.feedforward(self.norm2(x))
        return x


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        # (batch, time, 3 width) -> three of (batch, heads, time, width / heads)
        parts = self.query_key_value(x).chunk(3, dim=-1)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        output: Tensor = self.project(mixed.transpose(1, 2).flatten(2))
        return output


class _FeedForward(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.expand = nn.Linear(width, 4 * width)
        self.project = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.project(F.gelu(self.expand(x), approximate="tanh"))
        return output
