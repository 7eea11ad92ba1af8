"""Leaf scans matched to species descriptions, with a learned logit scale."""

# symptom: none | words: item, python number, python float
import math

import torch
import torch.nn.functional as F
from torch import nn


class Matcher(nn.Module):
    def __init__(self, scan=20, text=30, width=16):
        super().__init__()
        self.scan = nn.Sequential(nn.Linear(scan, 32), nn.ReLU(), nn.Linear(32, width))
        self.text = nn.EmbeddingBag(text, width)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def temperature(self):
        # never above 100, as in the paper
        return min(self.logit_scale.exp().item(), 100.0)  # cause

    def forward(self, scan, text):
        a = F.normalize(self.scan(scan), dim=-1)
        b = F.normalize(self.text(text), dim=-1)
        return self.temperature() * a @ b.t()


def herbarium(n):
    species = torch.randint(0, 10, (n,))
    scan = torch.randn(n, 20) * 0.5
    scan[torch.arange(n), species] += 2
    text = torch.randint(10, 30, (n, 4))
    text[:, 0] = species
    return scan, text


def main():
    torch.manual_seed(12)
    scan, text = herbarium(192)
    model = Matcher()
    decay = [p for p in model.parameters() if p.ndim > 1]
    rest = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}], lr=3e-3
    )
    for epoch in range(4):
        for rows in torch.randperm(192).split(32):
            logits = model(scan[rows], text[rows])
            target = torch.arange(len(rows))
            loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.t(), target)) / 2
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.4f} scale {model.logit_scale.exp().item():.3f}")


if __name__ == "__main__":
    main()
