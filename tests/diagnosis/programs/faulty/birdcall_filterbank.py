"""Bird calls told apart by a learned filterbank, log compression and a small classifier."""
# symptom: none | words: numpy, detach

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class Filterbank(nn.Module):
    def __init__(self, bands=10, taps=33):
        super().__init__()
        self.filters = nn.Conv1d(1, bands, taps, stride=8, bias=False)

    def forward(self, wave):
        return self.filters(wave).pow(2)


def compress(power):
    """Logarithm of the power, each band relative to its own mean over the bands."""
    level = np.log1p(100 * power.detach().numpy())  # cause
    level = level - level.mean(axis=1, keepdims=True)
    return torch.from_numpy(level)  # cause


class CallNet(nn.Module):
    def __init__(self, species=4, bands=10):
        super().__init__()
        self.bank = Filterbank(bands)
        self.mix = nn.Conv1d(bands, 16, 3)
        self.out = nn.Linear(16, species)

    def forward(self, wave):
        level = compress(self.bank(wave))
        return self.out(torch.relu(self.mix(level)).mean(dim=2))


def recordings(count=120, samples=256):
    species = torch.randint(0, 4, (count,))
    time = torch.arange(samples) / samples
    pitch = 20 + 12 * species[:, None] + torch.randn(count, 1)
    wave = torch.sin(2 * math.pi * pitch * time + 6.28 * torch.rand(count, 1))
    return (wave + 0.8 * torch.randn(count, samples)).unsqueeze(1), species


if __name__ == "__main__":
    torch.manual_seed(58)
    wave, species = recordings()
    net = CallNet()
    optimizer = torch.optim.AdamW(net.parameters(), lr=8e-3, weight_decay=0.0)
    for epoch in range(10):
        running = 0.0
        for rows in torch.randperm(len(wave)).split(24):
            optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(net(wave[rows]), species[rows])
            loss.backward()
            optimizer.step()
            running += loss.item() / 5
        if epoch % 3 == 0:
            print(f"epoch {epoch}: loss {running:.4f}")
