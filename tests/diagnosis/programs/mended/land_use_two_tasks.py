"""Land use and vegetation index from satellite patches: one trunk, two tasks in turn."""

import torch
import torch.nn.functional as F
from torch import nn


class LandNet(nn.Module):
    def __init__(self, bands=3, classes=4):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(bands, 8, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 12, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(12 * 9, 24),
            nn.ReLU(),
        )
        self.use, self.index = nn.Linear(24, classes), nn.Linear(24, 1)

    def forward(self, patch):
        shared = self.trunk(patch)
        return self.use(shared), self.index(shared).squeeze(1)


def patches(n, size=6):
    use = torch.randint(0, 4, (n,))
    colour = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]])
    image = colour[use][:, :, None, None] + 0.7 * torch.randn(n, 3, size, size)
    index = (image[:, 1] - image[:, 0]).mean(dim=(1, 2))
    return image, use, index


def advance(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def epoch(model, optimizer, image, use, index):
    totals = [0.0, 0.0]
    for rows in torch.randperm(len(use)).split(30):
        logits, _ = model(image[rows])
        totals[0] += advance(optimizer, F.cross_entropy(logits, use[rows]))
        _, predicted = model(image[rows])
        totals[1] += advance(optimizer, F.mse_loss(predicted, index[rows]))
    return totals


def main():
    torch.manual_seed(27)
    data = patches(240)
    model = LandNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3, fused=True)
    for number in range(8):
        use_loss, index_loss = epoch(model, optimizer, *data)
        print(f"epoch {number}: use {use_loss / 8:.4f}, index {index_loss / 8:.4f}")


if __name__ == "__main__":
    main()
