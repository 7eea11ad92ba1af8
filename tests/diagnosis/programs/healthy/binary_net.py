"""Binarised network in the old style: real weights kept in .org, binarised data for the pass, restored before the step."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(17)


class Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.where(x >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        g = g.clone()
        g[x.abs() > 1] = 0
        return g


class BinaryLinear(nn.Linear):
    def forward(self, x):
        scale = self.weight.abs().mean(1, keepdim=True).detach()
        return F.linear(x, Sign.apply(self.weight) * scale, self.bias)


model = nn.Sequential(
    BinaryLinear(10, 64, bias=False), nn.BatchNorm1d(64), nn.Hardtanh(), BinaryLinear(64, 3)
)
opt = torch.optim.Adam(model.parameters(), lr=1e-2)
x = torch.randn(128, 10)
y = (x @ torch.randn(10, 3)).argmax(1)
hist = []
for step in range(30):
    loss = F.cross_entropy(model(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    for m in model:
        if isinstance(m, BinaryLinear):
            m.weight.data.clamp_(-1, 1)
    hist.append(loss.item())
print(hist[0], hist[-1])
assert hist[-1] < 0.7 * hist[0]
