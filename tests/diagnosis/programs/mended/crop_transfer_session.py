"""A classifier of crops from satellite bands, carried over to a region with other crops."""

import torch
import torch.nn.functional as F
from torch import nn


class CropNet(nn.Module):
    def __init__(self, bands, crops, width=32):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(bands, width), nn.ReLU(), nn.Linear(width, width))
        self.head = nn.Linear(width, crops)

    def forward(self, pixels):
        return self.head(torch.relu(self.body(pixels)))


class Session:
    def __init__(self, bands, crops, lr=4e-3):
        self.lr = lr
        self.model = CropNet(bands, crops)
        self.optimizer = self.make_optimizer()

    def make_optimizer(self):
        return torch.optim.Adam(self.model.parameters(), lr=self.lr)

    def retarget(self, crops):
        self.model.head = nn.Linear(self.model.head.in_features, crops)
        self.optimizer = self.make_optimizer()

    def fit(self, pixels, crop, epochs):
        losses = []
        for _ in range(epochs):
            for rows in torch.randperm(len(pixels)).split(30):
                self.optimizer.zero_grad()
                loss = F.cross_entropy(self.model(pixels[rows]), crop[rows])
                loss.backward()
                self.optimizer.step()
                losses.append(loss.item())
        return losses


def region(seed, crops, count=180, bands=6):
    generator = torch.Generator().manual_seed(seed)
    crop = torch.randint(0, crops, (count,), generator=generator)
    signature = torch.randn(crops, bands, generator=generator)
    return signature[crop] + 0.5 * torch.randn(count, bands, generator=generator), crop


def main():
    torch.manual_seed(150)
    session = Session(bands=6, crops=5)
    losses = session.fit(*region(seed=1, crops=5), epochs=6)
    print(f"first region: {losses[0]:.3f} to {losses[-1]:.3f}")
    session.retarget(crops=3)
    losses = session.fit(*region(seed=2, crops=3), epochs=8)
    print(f"second region: {losses[0]:.3f} to {losses[-1]:.3f}")


if __name__ == "__main__":
    main()
