"""Gradient ascent of a picture towards a class of a trained classifier, octave by octave."""

import torch
import torch.nn.functional as F
from torch import nn


def build(classes):
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, padding=1, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, classes),
    )


def gratings(n, size=12):
    """Stripes: level, upright and slanting."""
    label = torch.randint(0, 3, (n,))
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    along = torch.stack([rows, columns, rows + columns])[label]
    return torch.sin(1.3 * along + 6.28 * torch.rand(n, 1, 1)).unsqueeze(1), label


def pretrain(model, steps):
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(steps):
        image, label = gratings(48)
        loss = F.cross_entropy(model(image + 0.3 * torch.randn_like(image)), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 20 == 0:
            print(f"step {step} loss {loss.item():.4f}")


def dream(image, model, target, iterations, lr):
    image = image.clone().requires_grad_(True)
    for _ in range(iterations):
        score = model(image)[0, target] - 0.05 * image.pow(2).mean()
        score.backward()
        avg_grad = image.grad.data.abs().mean()
        image.data += lr / avg_grad * image.grad.data
        image.data.clamp_(-2, 2)
        image.grad.data.zero_()
    return image.detach(), score.item()


def main():
    torch.manual_seed(38)
    model = build(classes=3)
    pretrain(model, steps=60)
    model.eval()
    for p in model.parameters():
        p.requires_grad_(False)
    image = 0.1 * torch.randn(1, 1, 6, 6)
    for octave in range(3):
        image, score = dream(image, model, target=1, iterations=10, lr=0.05)
        probability = F.softmax(model(image), dim=1)[0, 1].item()
        print(f"octave {octave} {tuple(image.shape[2:])} score {score:.3f} p {probability:.3f}")
        if octave < 2:
            image = F.interpolate(image, scale_factor=1.5, mode="bilinear")


if __name__ == "__main__":
    main()
