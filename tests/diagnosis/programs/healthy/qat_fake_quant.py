"""Quantisation-aware training: fake-quant with straight-through, observers off after a while, LSQ-like learned step for weights."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(30)


class FakeQuant(nn.Module):
    def __init__(self, bits=4):
        super().__init__()
        self.levels = 2**bits - 1
        self.register_buffer("lo", torch.tensor(0.0))
        self.register_buffer("hi", torch.tensor(0.0))
        self.observe = True

    def forward(self, x):
        if self.training and self.observe:
            self.lo = torch.lerp(self.lo, x.detach().min(), 0.3)
            self.hi = torch.lerp(self.hi, x.detach().max(), 0.3)
        scale = (self.hi - self.lo).clamp(min=1e-5) / self.levels
        q = torch.round((x - self.lo) / scale).clamp(0, self.levels) * scale + self.lo
        return x + (q - x).detach()


def grad_scale(x, s):
    return (x - x * s).detach() + x * s


def round_pass(x):
    return (x.round() - x).detach() + x


class LSQLinear(nn.Linear):
    def __init__(self, i, o, q=7):
        super().__init__(i, o)
        self.q = q
        self.step = nn.Parameter(torch.tensor(0.0))
        with torch.no_grad():
            self.step.copy_(2 * self.weight.abs().mean() / q**0.5)
        self.act = FakeQuant()

    def forward(self, x):
        s = grad_scale(self.step, 1.0 / (self.weight.numel() * self.q) ** 0.5)
        w = round_pass((self.weight / s).clamp(-self.q - 1, self.q)) * s
        return F.linear(self.act(x), w, self.bias)


net = nn.Sequential(LSQLinear(8, 32), nn.ReLU(), LSQLinear(32, 3))
opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
x = torch.randn(128, 8)
y = (x @ torch.randn(8, 3)).argmax(1)
hist = []
for step in range(25):
    if step == 15:
        for m in net.modules():
            if isinstance(m, FakeQuant):
                m.observe = False
    loss = F.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    hist.append(loss.item())
print(hist[0], hist[-1])
assert hist[-1] < 0.6 * hist[0]
