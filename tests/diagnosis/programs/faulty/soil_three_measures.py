"""Soil probes: acidity, moisture and texture class in one net, weighted by learned uncertainty."""

# symptom: lost | words: optimizer
import torch
import torch.nn.functional as F
from torch import nn


class SoilNet(nn.Module):
    def __init__(self, channels=14, width=24):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(channels, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )
        self.acidity = nn.Linear(width, 1)
        self.moisture = nn.Linear(width, 1)
        self.texture = nn.Linear(width, 3)

    def forward(self, x):
        h = self.body(x)
        return self.acidity(h)[:, 0], self.moisture(h)[:, 0], self.texture(h)


class UncertaintyLoss(nn.Module):
    """Kendall, Gal and Cipolla (2018)."""

    def __init__(self, tasks=3):
        super().__init__()
        self.log_var = nn.Parameter(torch.zeros(tasks))

    def forward(self, *losses):
        losses = torch.stack(losses)
        return (torch.exp(-self.log_var) * losses + self.log_var).sum()


def probes(n):
    x = torch.randn(n, 14)
    return x, x[:, 0] * 5 + 0.1 * torch.randn(n), 0.2 * x[:, 1], x[:, 2:5].argmax(1)


def main():
    torch.manual_seed(40)
    x, acidity, moisture, texture = probes(160)
    net, criterion = SoilNet(), UncertaintyLoss()
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)  # cause
    for epoch in range(5):
        net.train()
        for rows in torch.randperm(160).split(32):
            a, m, t = net(x[rows])
            loss = criterion(
                F.mse_loss(a, acidity[rows]),
                F.mse_loss(m, moisture[rows]),
                F.cross_entropy(t, texture[rows]),
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        print(epoch, loss.item(), criterion.log_var.tolist())


if __name__ == "__main__":
    main()
