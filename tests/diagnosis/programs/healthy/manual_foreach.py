"""A hand-written momentum update of all the parameters at once by the _foreach functions."""

import torch
import torch.nn.functional as F
from torch import nn


class ForeachMomentum:
    def __init__(self, params, lr, momentum=0.9, weight_decay=1e-4):
        self.params = list(params)
        self.velocity = [torch.zeros_like(p) for p in self.params]
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay

    def zero(self):
        grads = [p.grad for p in self.params if p.grad is not None]
        if grads:
            torch._foreach_zero_(grads)

    @torch.no_grad()
    def update(self):
        grads = [p.grad for p in self.params]
        directions = torch._foreach_add(grads, self.params, alpha=self.weight_decay)
        torch._foreach_mul_(self.velocity, self.momentum)
        torch._foreach_add_(self.velocity, directions)
        torch._foreach_add_(self.params, self.velocity, alpha=-self.lr)


class Tagger(nn.Module):
    """Marks each position of a sequence by its neighbours."""

    def __init__(self, vocab=10, width=24, tags=3):
        super().__init__()
        self.embed = nn.Embedding(vocab, width)
        self.mix = nn.Conv1d(width, width, 3, padding=1)
        self.tag = nn.Conv1d(width, tags, 1)

    def forward(self, ids):
        return self.tag(torch.relu(self.mix(self.embed(ids).transpose(1, 2))))


def sequences(n, length=12):
    ids = torch.randint(0, 10, (n, length))
    left, right = ids.roll(1, dims=1), ids.roll(-1, dims=1)
    left[:, 0], right[:, -1] = ids[:, 0], ids[:, -1]
    return ids, (ids > left).long() + (ids > right).long()


if __name__ == "__main__":
    torch.manual_seed(64)
    ids, tags = sequences(256)
    model = Tagger()
    rule = ForeachMomentum(model.parameters(), lr=0.1)
    for epoch in range(8):
        total = 0.0
        for rows in torch.randperm(256).split(32):
            rule.zero()
            loss = F.cross_entropy(model(ids[rows]), tags[rows])
            loss.backward()
            rule.update()
            total += loss.item()
        print(f"epoch {epoch} loss {total / 8:.4f}")
