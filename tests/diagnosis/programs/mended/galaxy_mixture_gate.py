"""Galaxy colours predicted by a gated mixture; gates are normalised."""

# healthy
import torch
import torch.nn.functional as F
from torch import nn


class GatedMixture(nn.Module):
    def __init__(self, bands=5, experts=6, width=10):
        super().__init__()
        self.gate = nn.Linear(bands, experts)
        self.first = nn.ModuleList(nn.Linear(bands, width) for _ in range(experts))
        self.last = nn.ModuleList(nn.Linear(width, 1) for _ in range(experts))

    def forward(self, x):
        weight = torch.sigmoid(self.gate(x))
        weight = weight / weight.sum(1, keepdim=True)
        parts = [b(torch.tanh(a(x))) for a, b in zip(self.first, self.last)]
        mixed = weight * torch.cat(parts, 1)
        return mixed.sum(1)


def galaxies(n):
    colour = torch.randn(n, 5)
    redshift = 0.5 * colour[:, 0] ** 2 + colour[:, 1] * (colour[:, 2] > 0).float()
    return colour, redshift


def main():
    torch.manual_seed(47)
    colour, redshift = galaxies(160)
    model = GatedMixture()
    optimizer = torch.optim.Adam(model.parameters(), lr=8e-3)
    for epoch in range(5):
        total = 0.0
        for rows in torch.randperm(160).split(32):
            optimizer.zero_grad()
            loss = F.mse_loss(model(colour[rows]), redshift[rows])
            loss.backward()
            optimizer.step()
            total += loss.item() / 5
        print(f"epoch {epoch} {total:.4f}")


if __name__ == "__main__":
    main()
