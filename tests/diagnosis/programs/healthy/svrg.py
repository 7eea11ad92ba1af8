"""SVRG: snapshot model with its full gradient kept, corrected gradients written to .grad, plain SGD as the step."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(20)
model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1))
snapshot = copy.deepcopy(model)
x = torch.randn(128, 6)
y = torch.sin(x.sum(1, keepdim=True))
opt = torch.optim.SGD(model.parameters(), lr=0.3)


def full_gradient():
    snapshot.zero_grad()
    for xb, yb in zip(x.split(32), y.split(32)):
        (F.mse_loss(snapshot(xb), yb) / 4).backward()
    return [p.grad.detach().clone() for p in snapshot.parameters()]


losses = []
for epoch in range(12):
    snapshot.load_state_dict(model.state_dict())
    mu = full_gradient()
    for _ in range(5):
        idx = torch.randint(0, 128, (32,))
        opt.zero_grad()
        snapshot.zero_grad()
        loss = F.mse_loss(model(x[idx]), y[idx])
        loss.backward()
        F.mse_loss(snapshot(x[idx]), y[idx]).backward()
        for p, q, m in zip(model.parameters(), snapshot.parameters(), mu):
            p.grad = p.grad - q.grad + m
        opt.step()
    with torch.no_grad():
        losses.append(F.mse_loss(model(x), y).item())
print(losses[0], losses[-1])
assert losses[-1] < 0.8 * losses[0]
