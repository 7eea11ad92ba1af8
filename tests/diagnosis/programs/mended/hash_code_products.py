"""Products are given short binary codes from which their category can be told."""

import torch
import torch.nn.functional as F
from torch import nn


class HashLayer(nn.Module):
    def __init__(self, inputs, bits):
        super().__init__()
        self.to_bits = nn.Linear(inputs, bits)

    def forward(self, x):
        soft = torch.tanh(self.to_bits(x))
        return soft + (torch.sign(soft) - soft).detach()


class ProductHash(nn.Module):
    def __init__(self, features=12, bits=10, categories=6):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(features, 32), nn.ReLU())
        self.code = HashLayer(32, bits)
        self.category = nn.Linear(bits, categories)

    def forward(self, x):
        return self.category(self.code(self.body(x)))


def catalogue(count, categories=6, features=12):
    category = torch.randint(0, categories, (count,))
    prototype = torch.randn(categories, features)
    return prototype[category] + 0.8 * torch.randn(count, features), category


def fit(model, x, category, epochs, lr):
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    history = []
    for _ in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(x)).split(48):
            loss = F.cross_entropy(model(x[rows]), category[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        history.append(total / len(x))
    return history


def main():
    torch.manual_seed(90)
    x, category = catalogue(288)
    model = ProductHash()
    history = fit(model, x, category, epochs=15, lr=5e-3)
    print("loss", " ".join(f"{value:.3f}" for value in history[::3]))
    with torch.no_grad():
        codes = model.code(model.body(x))
        print(f"{len(codes.unique(dim=0))} different codes")


if __name__ == "__main__":
    main()
