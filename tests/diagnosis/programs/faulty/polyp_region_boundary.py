"""Segmentation of round growths: one head for the region, a second one for its boundary."""
# symptom: none | words: threshold, > 0.5, comparison, compares, differentiable

import torch
import torch.nn.functional as F
from torch import nn


class SegNet(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
        )
        self.region = nn.Conv2d(width, 1, 1)
        self.boundary = nn.Conv2d(width, 1, 1)

    def forward(self, image):
        maps = self.trunk(image)
        return self.region(maps), self.boundary(maps)


def dice_loss(logits, target):
    drawn = (logits.sigmoid() > 0.5).float()  # cause
    shared = (drawn * target).sum(dim=(1, 2, 3))
    size = drawn.sum(dim=(1, 2, 3)) + target.sum(dim=(1, 2, 3))
    return (1 - (2 * shared + 1) / (size + 1)).mean()


def growths(count=96, side=16):
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    centre = torch.randint(4, 12, (count, 2, 1, 1))
    radius = 2 + 2 * torch.rand(count, 1, 1)
    away = ((rows - centre[:, 0]).pow(2) + (columns - centre[:, 1]).pow(2)).float().sqrt()
    region = (away <= radius).float().unsqueeze(1)
    boundary = ((away - radius).abs() < 0.8).float().unsqueeze(1)
    return 2 * region + boundary + 0.3 * torch.randn(count, 1, side, side), region, boundary


class Trainer:
    def __init__(self, model, lr=5e-3, weight=0.5):
        self.model, self.weight = model, weight
        self.optimizer = torch.optim.Adam(model.parameters(), lr=lr)

    def step(self, image, region, boundary):
        region_logits, boundary_logits = self.model(image)
        loss = F.binary_cross_entropy_with_logits(region_logits, region)
        loss = loss + self.weight * dice_loss(boundary_logits, boundary)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def fit(self, data, epochs, batch=24):
        for epoch in range(epochs):
            order = torch.randperm(len(data[0])).split(batch)
            losses = [self.step(*(part[rows] for part in data)) for rows in order]
            print(f"epoch {epoch}: {sum(losses) / len(losses):.4f}")


if __name__ == "__main__":
    torch.manual_seed(81)
    Trainer(SegNet()).fit(growths(), epochs=8)
