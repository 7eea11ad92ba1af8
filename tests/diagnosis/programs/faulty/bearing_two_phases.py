"""Wear of bearings from vibration: all layers are trained at first, then only the last ones."""
# symptom: moves | words: momentum, frozen, .grad, requires_grad

import torch
from torch import nn


class WearNet(nn.Module):
    def __init__(self, width=10):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv1d(1, width, 7, stride=2), nn.Tanh(), nn.Conv1d(width, width, 5, stride=2)
        )
        self.wear = nn.Sequential(nn.Linear(2 * width, 16), nn.Tanh(), nn.Linear(16, 1))

    def forward(self, signal):
        maps = self.features(signal)
        spread = torch.cat([maps.mean(dim=2), maps.var(dim=2)], dim=1)
        return self.wear(spread).squeeze(-1)


def freeze(module):
    for parameter in module.parameters():
        parameter.requires_grad_(False)  # cause


def vibrations(count=160, length=64):
    wear = 2 * torch.rand(count)
    time = torch.arange(length)
    hum = torch.sin(0.5 * time + 6.28 * torch.rand(count, 1))
    rattle = wear[:, None] * torch.sin(2.2 * time + 6.28 * torch.rand(count, 1))
    return (hum + rattle + 0.2 * torch.randn(count, length)).unsqueeze(1), wear


def train_epoch(model, optimizer, criterion, signal, wear):
    total = 0.0
    for rows in torch.randperm(len(signal)).split(32):
        optimizer.zero_grad(set_to_none=False)  # cause
        loss = criterion(model(signal[rows]), wear[rows])
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / 5


def main():
    torch.manual_seed(246)
    signal, wear = vibrations()
    model, criterion = WearNet(), nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9)
    for epoch in range(12):
        if epoch == 6:
            freeze(model.features)
            print("features are fixed from here on")
        loss = train_epoch(model, optimizer, criterion, signal, wear)
        print(f"epoch {epoch:2d}: {loss:.4f}")


if __name__ == "__main__":
    main()
