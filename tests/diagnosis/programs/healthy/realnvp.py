"""RealNVP with ActNorm that is initialised from the first batch."""

import math

import torch
from torch import nn

torch.manual_seed(11)


class ActNorm(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.loc, self.log_scale = nn.Parameter(torch.zeros(dim)), nn.Parameter(torch.zeros(dim))
        self.register_buffer("initialized", torch.tensor(0, dtype=torch.uint8))

    def forward(self, x):
        if self.initialized.item() == 0:
            with torch.no_grad():
                self.loc.data.copy_(-x.mean(0))
                self.log_scale.data.copy_(-torch.log(x.std(0) + 1e-6))
                self.initialized.fill_(1)
        return (x + self.loc) * self.log_scale.exp(), self.log_scale.sum().expand(len(x))


class Coupling(nn.Module):
    def __init__(self, dim, flip):
        super().__init__()
        mask = torch.arange(dim) % 2
        self.register_buffer("mask", (1 - mask if flip else mask).float())
        self.net = nn.Sequential(nn.Linear(dim, 32), nn.ReLU(), nn.Linear(32, 2 * dim))
        nn.init.zeros_(self.net[-1].weight)
        nn.init.zeros_(self.net[-1].bias)
        self.rescale = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        s, t = self.net(x * self.mask).chunk(2, 1)
        s = self.rescale * torch.tanh(s) * (1 - self.mask)
        t = t * (1 - self.mask)
        return x * self.mask + (1 - self.mask) * (x * s.exp() + t), s.sum(1)


flow = nn.ModuleList()
for k in range(4):
    flow.extend([ActNorm(2), Coupling(2, k % 2)])


def nll(x):
    logdet = torch.zeros(len(x))
    for f in flow:
        x, ld = f(x)
        logdet = logdet + ld
    return -((-0.5 * x.pow(2) - 0.5 * math.log(2 * math.pi)).sum(1) + logdet).mean()


opt = torch.optim.Adam(flow.parameters(), lr=1e-2)
hist = []
for step in range(30):
    a = torch.randn(128)
    x = torch.stack([a, a.pow(2) + 0.1 * torch.randn(128)], 1)
    loss = nll(x)
    opt.zero_grad()
    loss.backward()
    opt.step()
    hist.append(loss.item())
print(hist[0], hist[-1])
assert hist[-1] < hist[0] - 0.2
