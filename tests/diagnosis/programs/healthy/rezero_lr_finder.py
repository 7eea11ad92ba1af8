"""Residual net with zero gates (ReZero); a learning-rate finder first, which restores the model and optimizer; then training."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(32)


class Block(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(d, d), nn.ReLU(), nn.Linear(d, d))
        self.alpha = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return x + self.alpha * self.f(x)


model = nn.Sequential(nn.Linear(6, 16), *[Block(16) for _ in range(4)], nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-5)
x = torch.randn(128, 6)
y = torch.sin(2 * x[:, :1]) + x[:, 1:2] * x[:, 2:3]


class LRFinder:
    def __init__(self, model, optimizer):
        self.model, self.optimizer = model, optimizer
        self.model_state = copy.deepcopy(model.state_dict())
        self.opt_state = copy.deepcopy(optimizer.state_dict())
        self.history = []

    def range_test(self, end=1.0, n=10):
        lr = 1e-5
        for _ in range(n):
            for g in self.optimizer.param_groups:
                g["lr"] = lr
            self.optimizer.zero_grad()
            loss = F.mse_loss(self.model(x), y)
            loss.backward()
            self.optimizer.step()
            self.history.append((lr, loss.item()))
            if loss.item() > 4 * self.history[0][1]:
                break
            lr *= (end / 1e-5) ** (1 / n)
        return min(self.history, key=lambda t: t[1])[0] / 4

    def reset(self):
        self.model.load_state_dict(self.model_state)
        self.optimizer.load_state_dict(self.opt_state)


finder = LRFinder(model, optimizer)
lr = min(0.03, finder.range_test())
finder.reset()
for g in optimizer.param_groups:
    g["lr"] = lr
log = []
for step in range(120):
    optimizer.zero_grad()
    loss = F.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    log.append(loss.item())
print(lr, log[0], log[-1])
assert log[-1] < 0.8 * log[0]
