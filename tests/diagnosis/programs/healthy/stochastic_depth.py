"""Convolutional network with stochastic depth: whole residual branches are left out of a batch."""

import torch
from torch import nn


class StochasticDepthBlock(nn.Module):
    def __init__(self, channels, prob_survival):
        super().__init__()
        self.prob_survival = prob_survival
        self.residual = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(2, channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x):
        if self.training:
            if torch.rand(1).item() < self.prob_survival:
                return torch.relu(x + self.residual(x))
            return torch.relu(x)
        return torch.relu(x + self.prob_survival * self.residual(x))


class ResNet(nn.Module):
    def __init__(self, channels=8, depth=5, last_survival=0.5, classes=3):
        super().__init__()
        self.stem = nn.Conv2d(1, channels, 3, padding=1)
        survival = [1 - (index + 1) / depth * (1 - last_survival) for index in range(depth)]
        self.blocks = nn.ModuleList([StochasticDepthBlock(channels, p) for p in survival])
        self.head = nn.Linear(channels, classes)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean(dim=(2, 3)))


def dots_and_bars(n):
    label = torch.randint(0, 3, (n,))
    image = 0.4 * torch.randn(n, 1, 8, 8)
    for i, (kind, where) in enumerate(zip(label.tolist(), torch.randint(1, 6, (n,)), strict=True)):
        if kind == 0:
            image[i, 0, where : where + 2, where : where + 2] += 2.0
        elif kind == 1:
            image[i, 0, where] += 2.0
        else:
            image[i, 0, :, where] += 2.0
    return image, label


def main():
    torch.manual_seed(29)
    images, labels = dots_and_bars(240)
    test_images, test_labels = dots_and_bars(120)
    model = ResNet()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for epoch in range(8):
        model.train()
        total = 0.0
        for rows in torch.randperm(240).split(24):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images[rows]), labels[rows])
            loss.backward()
            optimizer.step()
            total += loss.item()
        model.eval()
        with torch.no_grad():
            accuracy = (model(test_images).argmax(1) == test_labels).float().mean()
        print(f"epoch {epoch} loss {total / 10:.4f} test accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main()
