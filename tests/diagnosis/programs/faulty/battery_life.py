"""Remaining life of batteries from their early cycles."""
# symptom: wrong | words: broadcast, shape

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class LifeModel(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.curve = nn.GRU(1, width, batch_first=True)
        self.life = nn.Linear(width, 1)

    def forward(self, capacity):
        _, last = self.curve(capacity.unsqueeze(-1))
        return self.life(last[0])  # cause


class RobustError(nn.Module):
    """Pseudo-Huber loss."""

    def __init__(self, delta=1.0):
        super().__init__()
        self.delta = delta

    def forward(self, predicted, actual):
        error = (predicted - actual) / self.delta  # cause
        return self.delta**2 * ((1 + error**2).sqrt() - 1).mean()


def cells(n, cycles=10):
    fade = 0.02 + 0.08 * torch.rand(n)
    cycle = torch.arange(cycles)
    capacity = 1 - fade[:, None] * cycle.sqrt() + 0.01 * torch.randn(n, cycles)
    life = (torch.log(0.3 / fade) - 1.8) * 1.5
    return TensorDataset((capacity - 0.9) * 8, life)


def fit(model, loader, epochs):
    criterion = RobustError()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(epochs):
        total = 0.0
        for capacity, life in loader:
            loss = criterion(model(capacity), life)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        print(f"epoch {epoch}: {total / len(loader):.4f}")


if __name__ == "__main__":
    torch.manual_seed(300)
    fit(LifeModel(), DataLoader(cells(240), batch_size=24, shuffle=True), epochs=8)
