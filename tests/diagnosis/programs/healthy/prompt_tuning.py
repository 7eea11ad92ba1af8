"""Soft prompts in front of a frozen transformer encoder: only the prompt learns."""

import torch
import torch.nn.functional as F
from torch import nn


class Encoder(nn.Module):
    """Says for the last position which of the tokens, in cyclic order, comes next."""

    def __init__(self, vocab=8, width=24, length=12):
        super().__init__()
        self.token, self.position = nn.Embedding(vocab, width), nn.Embedding(length, width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 2, 48, dropout=0.1, batch_first=True)
            for _ in range(2)
        )
        self.head = nn.Linear(width, vocab)

    def run(self, embedded):
        x = embedded + self.position.weight[-embedded.size(1) :]
        for layer in self.layers:
            x = layer(x)
        return self.head(x[:, -1])

    def forward(self, ids):
        return self.run(self.token(ids))


class PromptTuned(nn.Module):
    def __init__(self, encoder, prompts=4):
        super().__init__()
        self.encoder = encoder.requires_grad_(False)
        start = encoder.token.weight[:prompts]  # as words of the vocabulary
        self.prompt = nn.Parameter(start.detach().clone())

    def train(self, mode=True):
        super().train(mode)
        self.encoder.eval()
        return self

    def forward(self, ids):
        prompt = self.prompt.expand(len(ids), -1, -1)
        return self.encoder.run(torch.cat([prompt, self.encoder.token(ids)], dim=1))


def train(model, parameters, make_batch, steps, lr):
    optimizer = torch.optim.Adam(parameters, lr=lr)
    model.train()
    for step in range(steps):
        ids, target = make_batch()
        loss = F.cross_entropy(model(ids), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % (steps // 4) == 0:
            print(f"step {step} loss {loss.item():.4f}")


def pretraining_batch():
    """The first token of twelve gives the direction in which to go on from the last one."""
    ids = torch.randint(0, 8, (32, 12))
    return ids, (ids[:, -1] + torch.where(ids[:, 0] < 4, 1, -1)) % 8


def task_batch():
    ids = torch.randint(0, 8, (32, 8))
    return ids, (ids[:, -1] - 1) % 8


if __name__ == "__main__":
    torch.manual_seed(77)
    encoder = Encoder()
    train(encoder, encoder.parameters(), pretraining_batch, steps=120, lr=6e-3)
    tuned = PromptTuned(encoder)
    train(tuned, [tuned.prompt], task_batch, steps=40, lr=3e-2)
