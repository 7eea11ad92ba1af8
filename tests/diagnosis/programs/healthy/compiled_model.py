"""A compiled model: torch.compile with the aot_eager backend, trained as any other."""

import torch
import torch.nn as nn
import torch.nn.functional as F


class GatedMLP(nn.Module):
    def __init__(self, features, width, classes):
        super().__init__()
        self.inp = nn.Linear(features, width)
        self.gate = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, classes)

    def forward(self, x):
        h = F.silu(self.inp(x))
        h = h + F.silu(self.gate(h)) * self.value(h)
        return self.out(self.norm(h))


def checkerboard(n):
    x = 3 * torch.rand(n, 2) - 1
    return x, (x.floor().sum(dim=1) % 2).long()


def train_step(model, optimizer, x, y):
    optimizer.zero_grad(set_to_none=True)
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    return loss.item()


def main():
    torch.manual_seed(73)
    x, y = checkerboard(512)
    model = GatedMLP(2, 32, 2)
    compiled = torch.compile(model, backend="aot_eager")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for epoch in range(15):
        losses = [
            train_step(compiled, optimizer, x[r], y[r]) for r in torch.randperm(512).split(64)
        ]
        if epoch % 4 == 0:
            print(f"epoch {epoch} loss {sum(losses) / len(losses):.4f}")
    model.eval()
    with torch.no_grad():
        print(f"accuracy {(model(x).argmax(1) == y).float().mean():.3f}")


if __name__ == "__main__":
    main()
