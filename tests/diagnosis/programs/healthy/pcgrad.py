"""Gradient surgery: one autograd.grad a task on the shared graph, conflicts projected away, .grad assigned, heads own their parts."""

import random

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(22)
random.seed(22)
shared = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, 16), nn.ReLU())
heads = nn.ModuleList([nn.Linear(16, 1) for _ in range(3)])
params = list(shared.parameters()) + list(heads.parameters())
opt = torch.optim.Adam(params, lr=5e-3)
x = torch.randn(96, 8)
targets = [x[:, :1].sin(), -x[:, :1] + x[:, 1:2], x[:, 2:3].abs()]


def flat(grads):
    return torch.cat(
        [torch.zeros_like(p).flatten() if g is None else g.flatten() for p, g in zip(params, grads)]
    )


log = []
for step in range(25):
    h = shared(x)
    losses = [F.mse_loss(head(h), t) for head, t in zip(heads, targets)]
    grads = [
        flat(torch.autograd.grad(l, params, retain_graph=True, allow_unused=True)) for l in losses
    ]
    pc = [g.clone() for g in grads]
    for g_i in pc:
        others = list(grads)
        random.shuffle(others)
        for g_j in others:
            dot = torch.dot(g_i, g_j)
            if dot < 0:
                g_i -= dot * g_j / g_j.norm().pow(2)
    merged = torch.stack(pc).mean(0)
    at = 0
    for p in params:
        n = p.numel()
        p.grad = merged[at : at + n].view_as(p).clone()
        at += n
    opt.step()
    log.append(sum(l.item() for l in losses))
print(log[0], log[-1])
assert log[-1] < 0.7 * log[0]
