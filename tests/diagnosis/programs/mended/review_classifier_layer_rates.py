"""Sentiment of short reviews by a small transformer; lower layers learn more slowly."""

import torch
import torch.nn.functional as F
from torch import nn


class Words(nn.Module):
    def __init__(self, vocabulary, width, length):
        super().__init__()
        self.token = nn.Embedding(vocabulary, width)
        self.place = nn.Parameter(0.1 * torch.randn(length, width))

    def forward(self, ids):
        return self.token(ids) + self.place


class Reviewer(nn.Module):
    def __init__(self, vocabulary=50, width=16, length=10, depth=2):
        super().__init__()
        self.words = Words(vocabulary, width, length)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 2, 32, dropout=0.0, batch_first=True)
            for _ in range(depth)
        )
        self.verdict = nn.Linear(width, 2)

    def forward(self, ids):
        hidden = self.words(ids)
        for block in self.blocks:
            hidden = block(hidden)
        return self.verdict(hidden.mean(dim=1))


def rates_by_depth(model, top_rate):
    stages = [model.words, *model.blocks, model.verdict]
    groups = []
    for position, stage in enumerate(stages, start=1):
        rate = top_rate * (position / len(stages))
        groups.append({"params": list(stage.parameters()), "lr": rate})
    return groups


def reviews(n, vocabulary=50, length=10):
    ids = torch.randint(0, vocabulary, (n, length))
    praise = (ids < 8).sum(1)
    blame = ((ids >= 8) & (ids < 16)).sum(1)
    return ids, (praise > blame).long()


def main():
    torch.manual_seed(505)
    ids, label = reviews(256)
    model = Reviewer()
    optimizer = torch.optim.AdamW(rates_by_depth(model, top_rate=5e-3))
    for epoch in range(8):
        total = 0.0
        for rows in torch.randperm(len(ids)).split(32):
            loss = F.cross_entropy(model(ids[rows]), label[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        print(f"epoch {epoch}: {total / 8:.4f}")


if __name__ == "__main__":
    main()
