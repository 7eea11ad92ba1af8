"""Gestures from a glove of sensors; every second block recomputes its activations."""
# symptom: none | words: checkpoint, reentrant

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint


class Mixer(nn.Module):
    """Mixes the sensors first, then the moments in time."""

    def __init__(self, sensors, moments, width):
        super().__init__()
        self.norm = nn.LayerNorm(sensors)
        self.sensors = nn.Sequential(
            nn.Linear(sensors, width), nn.GELU(), nn.Linear(width, sensors)
        )
        self.moments = nn.Linear(moments, moments)

    def forward(self, x):
        x = x + self.sensors(self.norm(x))
        return x + self.moments(x.transpose(1, 2)).transpose(1, 2)


class GestureNet(nn.Module):
    def __init__(self, sensors=6, moments=10, depth=4, gestures=5):
        super().__init__()
        self.blocks = nn.ModuleList(Mixer(sensors, moments, 16) for _ in range(depth))
        self.out = nn.Linear(sensors * moments, gestures)

    def forward(self, x):
        for index, block in enumerate(self.blocks):
            if self.training and index % 2 == 0:
                x = checkpoint(block, x, use_reentrant=True)  # cause
            else:
                x = block(x)
        return self.out(x.flatten(1))


def glove(count=160, sensors=6, moments=10):
    gesture = torch.randint(0, 5, (count,))
    phase = torch.linspace(0, 3, moments).view(1, -1, 1)
    pace = (1 + gesture.float()).view(-1, 1, 1)
    x = torch.sin(pace * phase + torch.arange(sensors)) + 0.5 * torch.randn(count, moments, sensors)
    return x, gesture


def main():
    torch.manual_seed(120)
    x, gesture = glove()
    model = GestureNet()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.0)
    for epoch in range(8):
        model.train()
        total = 0.0
        for rows in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x[rows]), gesture[rows])
            loss.backward()
            optimizer.step()
            total += loss.item()
        model.eval()
        with torch.no_grad():
            right = (model(x).argmax(dim=1) == gesture).float().mean().item()
        print(f"epoch {epoch}: loss {total / 5:.4f}, right {right:.2f}")


if __name__ == "__main__":
    main()
