"""A classifier of reviews, trained on films and adapted to restaurants by low-rank updates."""

import torch
import torch.nn.functional as F
from torch import nn


class ReviewNet(nn.Module):
    def __init__(self, vocabulary=40, width=24, grades=3):
        super().__init__()
        self.words = nn.EmbeddingBag(vocabulary, width)
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        self.grade = nn.Linear(width, grades)

    def forward(self, text):
        hidden = torch.tanh(self.first(self.words(text)))
        return self.grade(torch.tanh(self.second(hidden)))


class LowRank(nn.Module):
    """A linear layer that stays as it is, and a learned product of two thin matrices."""

    def __init__(self, layer, rank=3, scale=2.0):
        super().__init__()
        self.layer, self.scale = layer, scale
        self.down = nn.Parameter(torch.randn(rank, layer.in_features) / layer.in_features**0.5)
        self.up = nn.Parameter(torch.zeros(layer.out_features, rank))

    def forward(self, x):
        return self.layer(x) + self.scale * (x @ self.down.t() @ self.up.t())


def adapt(model, names):
    for name in names:
        setattr(model, name, LowRank(getattr(model, name)))


def trainable(module):
    return [p for p in module.parameters() if p.requires_grad]


def reviews(seed, count=200, vocabulary=40):
    generator = torch.Generator().manual_seed(seed)
    text = torch.randint(0, vocabulary, (count, 6), generator=generator)
    praise = torch.randn(vocabulary, generator=generator)[text].mean(dim=1)
    return text, torch.bucketize(praise, torch.tensor([-0.2, 0.2]))


def train(model, optimizer, text, grade, epochs):
    for epoch in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(text)).split(40):
            loss = F.cross_entropy(model(text[rows]), grade[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        if epoch % 4 == 3:
            print(f"  epoch {epoch}: {total / 5:.4f}")


def main():
    torch.manual_seed(203)
    model = ReviewNet()
    print("films")
    train(model, torch.optim.Adam(model.parameters(), lr=1e-2), *reviews(seed=1), epochs=8)

    print("restaurants")
    model.requires_grad_(False)
    model.grade = nn.Linear(24, 3)
    adapt(model, ["first", "second"])
    optimizer = torch.optim.AdamW(trainable(model), lr=1e-2)
    train(model, optimizer, *reviews(seed=2), epochs=12)


if __name__ == "__main__":
    main()
