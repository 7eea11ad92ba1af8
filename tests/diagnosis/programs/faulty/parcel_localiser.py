"""Finds the bright parcel in a small picture; trained on the overlap of boxes itself."""
# symptom: none | words: no_grad, requires_grad_, decorator

import torch
from torch import nn


class Localiser(nn.Module):
    def __init__(self, side=12):
        super().__init__()
        self.look = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2))
        self.box = nn.Sequential(nn.Flatten(), nn.Linear(6 * (side // 2) ** 2, 32), nn.Tanh())
        self.out = nn.Linear(32, 4)

    def forward(self, picture):
        return torch.sigmoid(self.out(self.box(self.look(picture))))


def corners(box):
    middle, size = box[:, :2], box[:, 2:]
    return middle - size / 2, middle + size / 2


@torch.no_grad()  # cause
def mean_overlap(found, true):
    """Intersection over union of boxes given as middle and size."""
    low_a, high_a = corners(found)
    low_b, high_b = corners(true)
    shared = (torch.minimum(high_a, high_b) - torch.maximum(low_a, low_b)).clamp_min(0).prod(dim=1)
    both = found[:, 2:].prod(dim=1) + true[:, 2:].prod(dim=1) - shared
    return (shared / both).mean()


def pictures(count, side=12):
    low = torch.randint(0, 6, (count, 2))
    size = torch.randint(3, 7, (count, 2))
    at = torch.arange(side)
    inside = (at >= low[:, :, None]) & (at < (low + size)[:, :, None])
    parcel = (inside[:, 1, :, None] & inside[:, 0, None, :]).float().unsqueeze(1)
    box = torch.cat([low + size / 2, size.float()], dim=1) / side
    return parcel + 0.2 * torch.randn(count, 1, side, side), box


def fit(model, picture, box, epochs=12, batch=32):
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(picture)).split(batch):
            optimizer.zero_grad()
            loss = 1 - mean_overlap(model(picture[rows]), box[rows])
            loss.requires_grad_(True)  # cause
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        if epoch % 3 == 0:
            print(f"epoch {epoch}: loss {total / len(picture):.4f}")


if __name__ == "__main__":
    torch.manual_seed(131)
    picture, box = pictures(224)
    model = Localiser()
    fit(model, picture[:192], box[:192])
    with torch.no_grad():
        print(f"overlap on new pictures {mean_overlap(model(picture[192:]), box[192:]).item():.3f}")
