"""Denoising diffusion with classifier-free guidance (conditions dropped at random) and an EMA with shadow weights."""

import torch
from torch import nn

torch.manual_seed(10)
T = 50


class EMA:
    def __init__(self, model, decay):
        self.decay, self.shadow = decay, {}
        for n, p in model.named_parameters():
            if p.requires_grad:
                self.shadow[n] = p.data.clone()

    def update(self, model):
        for n, p in model.named_parameters():
            if p.requires_grad:
                self.shadow[n].data = (1.0 - self.decay) * p.data + self.decay * self.shadow[n].data

    def swap(self, model):
        backup = {n: p.data for n, p in model.named_parameters()}
        for n, p in model.named_parameters():
            p.data = self.shadow[n].data
        return backup

    def restore(self, model, backup):
        for n, p in model.named_parameters():
            p.data = backup[n]


class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.time, self.cls = nn.Embedding(T, 32), nn.Embedding(4, 32)
        self.null = nn.Parameter(torch.zeros(32))
        self.inp, self.mid, self.out = nn.Linear(2, 32), nn.Linear(32, 32), nn.Linear(32, 2)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x, t, c, drop):
        cond = torch.where(drop[:, None], self.null, self.cls(c))
        h = torch.nn.functional.silu(self.inp(x) + self.time(t) + cond)
        return self.out(torch.nn.functional.silu(self.mid(h)))


betas = torch.linspace(1e-3, 0.1, T)
abar = torch.cumprod(1 - betas, 0)
centres = torch.tensor([[2.0, 0], [-2, 0], [0, 2], [0, -2]])
net = Denoiser()
ema = EMA(net, 0.95)
opt = torch.optim.AdamW(net.parameters(), lr=1e-2)
losses = []
for step in range(40):
    c = torch.randint(0, 4, (128,))
    x0 = centres[c] + 0.1 * torch.randn(128, 2)
    t = torch.randint(0, T, (128,))
    eps = torch.randn_like(x0)
    xt = abar[t].sqrt()[:, None] * x0 + (1 - abar[t]).sqrt()[:, None] * eps
    loss = (net(xt, t, c, torch.rand(128) < 0.1) - eps).pow(2).mean()
    opt.zero_grad(set_to_none=True)
    loss.backward()
    opt.step()
    ema.update(net)
    losses.append(loss.item())
    if step % 20 == 19:
        backup = ema.swap(net)
        with torch.no_grad():
            x, c = torch.randn(8, 2), torch.zeros(8, dtype=torch.long)
            for s in reversed(range(T)):
                tt = torch.full((8,), s)
                e1, e0 = (
                    net(x, tt, c, torch.zeros(8, dtype=torch.bool)),
                    net(x, tt, c, torch.ones(8, dtype=torch.bool)),
                )
                e = e0 + 2.0 * (e1 - e0)
                x = (x - betas[s] / (1 - abar[s]).sqrt() * e) / (1 - betas[s]).sqrt() + (
                    betas[s].sqrt() * torch.randn_like(x) if s else 0
                )
        ema.restore(net, backup)
print(losses[0], losses[-1])
assert losses[-1] < 0.8 * losses[0]
