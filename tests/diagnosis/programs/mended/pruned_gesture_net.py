"""Gestures from accelerometer windows; small weights are pruned and the rest is trained on."""

import torch
import torch.nn.functional as F
from torch import nn


class KeepPruned:
    """Gradient hook of a pruned weight; counts how much of the gradient is used."""

    def __init__(self, mask):
        self.mask, self.used = mask, []

    def __call__(self, gradient):
        kept = gradient * self.mask
        self.used.append((kept.norm() / (gradient.norm() + 1e-12)).item())
        return kept


def prune(model, share):
    """Set the smallest weights of each linear layer to zero."""
    hooks = {}
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear):
            size = layer.weight.detach().abs()
            mask = (size > size.quantile(share)).float()
            with torch.no_grad():
                layer.weight.mul_(mask)
            hooks[name] = KeepPruned(mask)
            layer.weight.register_hook(hooks[name])
    return hooks


def sparsity(model):
    weights = [m.weight for m in model.modules() if isinstance(m, nn.Linear)]
    return sum((w == 0).sum().item() for w in weights) / sum(w.numel() for w in weights)


def train(model, x, y, epochs, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for epoch in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(y)).split(30):
            loss = F.cross_entropy(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        if epoch % 3 == 0:
            mean = total / (len(y) // 30)
            print(f"epoch {epoch}: loss {mean:.4f}, zeros {sparsity(model):.2f}")


def gestures(n, length=10):
    y = torch.randint(0, 4, (n,))
    time = torch.arange(length) / length
    phase = 6.28 * time * (1 + y[:, None]) + 0.3 * torch.randn(n, 1)
    return torch.cat([phase.sin(), phase.cos()], dim=1) + 0.4 * torch.randn(n, 2 * length), y


def main():
    torch.manual_seed(2024)
    x, y = gestures(240)
    model = nn.Sequential(
        nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 4)
    )
    train(model, x, y, epochs=7, lr=0.1)
    hooks = prune(model, share=0.6)
    train(model, x, y, epochs=7, lr=0.1)
    used = {name: sum(hook.used) / len(hook.used) for name, hook in hooks.items()}
    print("gradient used:", ", ".join(f"{name} {share:.2f}" for name, share in used.items()))


if __name__ == "__main__":
    main()
