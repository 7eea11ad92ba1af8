"""Autoencoder tied by W.t(), with sparse activations, an orthogonal parametrised mixing, a contractive penalty by jacrev."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import jacrev, vmap
from torch.nn.utils.parametrizations import orthogonal

torch.manual_seed(27)


class Tied(nn.Module):
    def __init__(self, d, k):
        super().__init__()
        self.W = nn.Parameter(torch.randn(k, d) / d**0.5)
        self.b, self.c = nn.Parameter(torch.zeros(k)), nn.Parameter(torch.zeros(d))
        self.mix = orthogonal(nn.Linear(d, d, bias=False))

    def encode(self, x):
        return torch.sigmoid(F.linear(self.mix(x), self.W, self.b))

    def forward(self, x):
        h = self.encode(x)
        return F.linear(F.linear(h, self.W.t(), self.c), self.mix.weight.t()), h


net = Tied(8, 5)
opt = torch.optim.Adam(net.parameters(), lr=2e-2)
x = torch.randn(64, 3) @ torch.randn(3, 8)
hist = []
for step in range(30):
    opt.zero_grad()
    recon, h = net(x)
    rho = h.mean(0)
    jac = vmap(jacrev(net.encode))(x[:8])
    loss = (
        F.mse_loss(recon, x)
        + 0.01 * (rho - 0.3).pow(2).sum()
        + 1e-3 * jac.pow(2).sum((1, 2)).mean()
    )
    loss.backward()
    opt.step()
    hist.append(loss.item())
print(hist[0], hist[-1])
assert hist[-1] < 0.7 * hist[0]
