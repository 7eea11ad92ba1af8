"""Contrastive learning from two noisy views of each spectrum, with a cosine schedule."""

import math

import torch
import torch.nn.functional as F
from torch import nn


class Embedder(nn.Module):
    def __init__(self, channels=20, size=8):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(channels, 48), nn.ReLU(), nn.Linear(48, 24), nn.ReLU())
        self.head = nn.Linear(24, size)

    def forward(self, spectrum):
        return F.normalize(self.head(self.body(spectrum)), dim=1)


class ContrastiveTrainer:
    def __init__(self, model, steps, peak=0.4, warm_up=10):
        self.model, self.steps, self.peak, self.warm_up = model, steps, peak, warm_up
        self.optimizer = torch.optim.SGD(model.parameters(), lr=peak, momentum=0.8)
        self.done = 0

    def adjust_rate(self):
        warm = min(1.0, (self.done + 1) / self.warm_up)
        rate = self.peak * warm * 0.5 * (1 + math.cos(math.pi * self.done / self.steps))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.done += 1
        return rate

    def step(self, spectra):
        first, second = (self.model(spectra + 0.3 * torch.randn_like(spectra)) for _ in "ab")
        similar = first @ second.t() / 0.2
        here = torch.arange(len(spectra))
        loss = 0.5 * (F.cross_entropy(similar, here) + F.cross_entropy(similar.t(), here))
        rate = self.adjust_rate()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item(), rate


def main():
    torch.manual_seed(9)
    lines = torch.randn(12, 20)
    spectra = torch.rand(256, 12).pow(3) @ lines
    trainer = ContrastiveTrainer(Embedder(), steps=120)
    for step in range(trainer.steps):
        loss, rate = trainer.step(spectra[torch.randint(0, len(spectra), (32,))])
        if step % 20 == 0:
            print(f"step {step}: loss {loss:.4f}, rate {rate:.4f}")


if __name__ == "__main__":
    main()
