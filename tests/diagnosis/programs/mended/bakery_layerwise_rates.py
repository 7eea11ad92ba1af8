"""Bakery demand with lower learning rates for lower layers."""

# healthy
import torch
import torch.nn.functional as F
from torch import nn


class DemandNet(nn.Module):
    def __init__(self, inputs=9, width=20):
        super().__init__()
        self.calendar = nn.Linear(inputs, width)
        self.middle = nn.Linear(width, width)
        self.demand = nn.Linear(width, 1)

    def forward(self, x):
        return self.demand(F.relu(self.middle(F.relu(self.calendar(x))))).squeeze(1)


def rates(model, base, depth=2, scale=10):
    """One group a layer; each layer below learns scale times slower."""
    groups = []
    for level, layer in enumerate([model.demand, model.middle, model.calendar]):
        factor = 1 / scale**level
        groups.append({"params": list(layer.parameters()), "lr": base * factor})
    return groups


def days(n):
    x = torch.rand(n, 9)
    return x, 3 * (x[:, 0] > 0.7).float() + x[:, 1] * x[:, 2]


def main():
    torch.manual_seed(88)
    x, y = days(160)
    model = DemandNet()
    optimizer = torch.optim.Adam(rates(model, 1e-2))
    for epoch in range(5):
        for rows in torch.randperm(160).split(32):
            loss = F.mse_loss(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(epoch, loss.item())


if __name__ == "__main__":
    main()
