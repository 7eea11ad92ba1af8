"""Rent model of one region, adapted to another one in low precision to save memory."""
# symptom: lost | words: bfloat16, rounded, rounds, rounding, precision

import torch
import torch.nn.functional as F
from torch import nn


class RentModel(nn.Module):
    def __init__(self, features=6, width=32):
        super().__init__()
        self.hidden = nn.Linear(features, width)
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, 1)

    def forward(self, x):
        return self.out(self.norm(torch.relu(self.hidden(x)))).squeeze(1)


def flats(n, level, slope):
    x = torch.randn(n, 6)
    rent = level + slope * x[:, 0] + 0.6 * x[:, 1] - 0.4 * x[:, 2].abs()
    return x, rent + 0.1 * torch.randn(n)


def pretrain(model, x, y, epochs=8):
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(50):
            loss = F.mse_loss(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    print(f"first region: {loss.item():.4f}")


def adapt(model, x, y, epochs, lr):
    model.to(torch.bfloat16)  # cause
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for epoch in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(x)).split(25):
            predicted = model(x[rows].to(torch.bfloat16))
            loss = F.mse_loss(predicted.float(), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        if epoch % 4 == 0:
            print(f"second region, epoch {epoch}: {total / (len(x) // 25):.4f}")


def main():
    torch.manual_seed(1600)
    model = RentModel()
    pretrain(model, *flats(400, level=1.0, slope=0.8))
    adapt(model, *flats(250, level=1.3, slope=1.1), epochs=20, lr=2e-4)


if __name__ == "__main__":
    main()
