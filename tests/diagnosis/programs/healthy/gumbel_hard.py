"""Discrete autoencoder: hard Gumbel-softmax, temperature annealed, usage logged from the argmax."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(16)


class Categorical(nn.Module):
    def __init__(self, d=10, k=6, n=3):
        super().__init__()
        self.k, self.n = k, n
        self.enc = nn.Sequential(nn.Linear(d, 32), nn.ReLU(), nn.Linear(32, n * k))
        self.dec = nn.Sequential(nn.Linear(n * k, 32), nn.ReLU(), nn.Linear(32, d))
        self.register_buffer("usage", torch.zeros(n, k))

    def sample(self, logits, tau):
        gumbel = -torch.empty_like(logits).exponential_().log()
        soft = ((logits + gumbel) / tau).softmax(-1)
        index = soft.max(-1, keepdim=True)[1]
        hard = torch.zeros_like(logits).scatter_(-1, index, 1.0)
        self.usage.mul_(0.9).add_(hard.detach().mean(0), alpha=0.1)
        return hard - soft.detach() + soft

    def forward(self, x, tau):
        logits = self.enc(x).view(-1, self.n, self.k)
        z = (
            self.sample(logits, tau)
            if self.training
            else F.one_hot(logits.argmax(-1), self.k).float()
        )
        q = logits.softmax(-1)
        kl = (q * (q + 1e-8).log()).sum(-1).mean() + torch.log(torch.tensor(float(self.k)))
        return self.dec(z.flatten(1)), kl


model = Categorical()
opt = torch.optim.Adam(model.parameters(), lr=1e-2)
data = torch.randn(6, 10)[torch.randint(0, 6, (128,))] + 0.05 * torch.randn(128, 10)
curve, tau = [], 1.0
for step in range(40):
    recon, kl = model(data, tau)
    loss = F.mse_loss(recon, data) + 0.001 * kl
    opt.zero_grad()
    loss.backward()
    opt.step()
    tau = max(0.5, tau * 0.98)
    curve.append(loss.item())
model.eval()
with torch.no_grad():
    print(curve[0], curve[-1], F.mse_loss(model(data, tau)[0], data).item())
assert curve[-1] < 0.7 * curve[0]
