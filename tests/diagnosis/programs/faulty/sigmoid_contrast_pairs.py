"""Sketches and descriptions brought into one space by pairwise sigmoid contrast."""
# symptom: lost | words: optimizer

import torch
import torch.nn.functional as F
from torch import nn


class SigmoidContrast(nn.Module):
    """Each pair is judged by itself: do these two belong together?"""

    def __init__(self):
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(1.0))
        self.offset = nn.Parameter(torch.tensor(-1.0))

    def forward(self, left, right):
        logits = self.log_scale.exp() * left @ right.t() + self.offset
        sign = 2 * torch.eye(len(left)) - 1
        return -F.logsigmoid(sign * logits).sum() / len(left)


class PairEncoder(nn.Module):
    def __init__(self, strokes=14, words=25, size=8):
        super().__init__()
        self.sketch = nn.Sequential(nn.Linear(strokes, 32), nn.ReLU(), nn.Linear(32, size))
        self.words = nn.EmbeddingBag(words, 16)
        self.text = nn.Linear(16, size)

    def forward(self, sketch, words):
        left = F.normalize(self.sketch(sketch), dim=1)
        right = F.normalize(self.text(self.words(words)), dim=1)
        return left, right


def pairs(count=192, words=25):
    described = torch.randint(0, words, (count, 3))
    shape = torch.randn(words, 14)
    return shape[described].mean(dim=1) + 0.1 * torch.randn(count, 14), described


def make_optimizer(model, lr):
    weights = [p for p in model.parameters() if p.ndim > 1]
    biases = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": weights, "weight_decay": 0.01}, {"params": biases, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=lr)  # cause


def main():
    torch.manual_seed(197)
    sketch, words = pairs()
    model, criterion = PairEncoder(), SigmoidContrast()
    optimizer = make_optimizer(model, lr=5e-3)  # cause
    for epoch in range(12):
        total = 0.0
        for rows in torch.randperm(len(sketch)).split(32):
            loss = criterion(*model(sketch[rows], words[rows]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        if epoch % 3 == 2:
            scale, offset = criterion.log_scale.exp().item(), criterion.offset.item()
            print(f"epoch {epoch}: {total / 6:.4f}, scale {scale:.2f}, offset {offset:.2f}")


if __name__ == "__main__":
    main()
