"""Knots in boards; every other batch the hold-out boards are looked at."""

# healthy
import torch
import torch.nn.functional as F
from torch import nn


def boards(n):
    knot = torch.rand(n) < 0.5
    image = torch.randn(n, 1, 8, 8) * 0.7
    image[knot, :, 2:5, 2:5] += 1.5
    return image, knot.float()


class KnotNet(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(1, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 1)
        )


def probe(model, image, knot):
    """Input saliency and accuracy on the hold-out boards; leaves no gradients behind."""
    model.eval()
    image = image.clone().requires_grad_()
    logits = model(image).squeeze(1)
    logits.sum().backward()
    saliency = image.grad.abs().mean().item()
    model.zero_grad()
    model.train()
    return saliency, ((logits > 0).float() == knot).float().mean().item()


def main():
    torch.manual_seed(61)
    image, knot = boards(192)
    held_image, held_knot = boards(32)
    model = KnotNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    step = 0
    for epoch in range(3):
        for rows in torch.randperm(192).split(32):
            loss = F.binary_cross_entropy_with_logits(model(image[rows]).squeeze(1), knot[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step % 2 == 0:
                saliency, accuracy = probe(model, held_image, held_knot)
                print(step, round(loss.item(), 4), round(saliency, 5), accuracy)
            step += 1


if __name__ == "__main__":
    main()
