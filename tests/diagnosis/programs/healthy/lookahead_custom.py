"""Lookahead around an own optimizer subclass with momentum by hand."""

from collections import defaultdict

import torch
from torch import nn
from torch.optim import Optimizer

torch.manual_seed(21)


class Momentum(Optimizer):
    def __init__(self, params, lr=0.05, beta=0.9, weight_decay=0.0):
        super().__init__(params, dict(lr=lr, beta=beta, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                d_p = p.grad
                if group["weight_decay"] != 0:
                    d_p = d_p.add(p, alpha=group["weight_decay"])
                state = self.state[p]
                if "buf" not in state:
                    state["buf"] = torch.clone(d_p).detach()
                else:
                    state["buf"].mul_(group["beta"]).add_(d_p)
                p.add_(state["buf"], alpha=-group["lr"])


class Lookahead(Optimizer):
    def __init__(self, optimizer, k=5, alpha=0.5):
        self.optimizer, self.k, self.alpha = optimizer, k, alpha
        self.param_groups = self.optimizer.param_groups
        self.defaults = self.optimizer.defaults
        self.state = defaultdict(dict)
        self.fast_state = self.optimizer.state
        for group in self.param_groups:
            group["counter"] = 0

    def update(self, group):
        for fast in group["params"]:
            param_state = self.state[fast]
            if "slow_param" not in param_state:
                param_state["slow_param"] = torch.zeros_like(fast.data)
                param_state["slow_param"].copy_(fast.data)
            slow = param_state["slow_param"]
            slow += (fast.data - slow) * self.alpha
            fast.data.copy_(slow)

    def step(self, closure=None):
        loss = self.optimizer.step(closure)
        for group in self.param_groups:
            if group["counter"] == 0:
                self.update(group)
            group["counter"] = (group["counter"] + 1) % self.k
        return loss

    def zero_grad(self, set_to_none=True):
        self.optimizer.zero_grad(set_to_none)


model = nn.Sequential(nn.Linear(5, 24), nn.GELU(), nn.Linear(24, 1))
opt = Lookahead(Momentum(model.parameters(), lr=0.03, weight_decay=1e-4))
x = torch.randn(64, 5)
y = x.prod(1, keepdim=True).tanh() + x[:, :1]
hist = []
for step in range(25):
    opt.zero_grad()
    loss = nn.functional.smooth_l1_loss(model(x), y)
    loss.backward()
    opt.step()
    hist.append(loss.item())
print(hist[0], hist[-1])
assert hist[-1] < 0.6 * hist[0]
