"""Energy-based model; negatives by Langevin sampling from a replay buffer, gradient with respect to the input."""

import torch
from torch import nn

torch.manual_seed(12)
energy = nn.Sequential(nn.Linear(2, 32), nn.SiLU(), nn.Linear(32, 32), nn.SiLU(), nn.Linear(32, 1))
opt = torch.optim.Adam(energy.parameters(), lr=3e-3, betas=(0.0, 0.999))
replay = torch.rand(256, 2) * 4 - 2


def sample(n=64, steps=8, eta=0.1):
    is_training = energy.training
    energy.eval()
    for p in energy.parameters():
        p.requires_grad = False
    idx = torch.randint(0, len(replay), (n,))
    x = replay[idx].clone()
    fresh = torch.rand(n) < 0.05
    x[fresh] = torch.rand(int(fresh.sum()), 2) * 4 - 2
    x.requires_grad = True
    for _ in range(steps):
        x.data.add_(0.01 * torch.randn_like(x))
        x.data.clamp_(-3, 3)
        e = -energy(x)
        e.sum().backward()
        x.grad.data.clamp_(-0.5, 0.5)
        x.data.add_(-eta * x.grad.data)
        x.grad.detach_()
        x.grad.zero_()
    for p in energy.parameters():
        p.requires_grad = True
    energy.train(is_training)
    replay[idx] = x.detach()
    return x.detach()


gaps = []
test_pos, test_neg = torch.randn(256, 2) * 0.2 + 1, torch.rand(256, 2) * 4 - 2
for step in range(25):
    real = torch.randn(64, 2) * 0.2 + 1
    fake = sample()
    real_out, fake_out = energy(torch.cat([real, fake])).chunk(2)
    reg = 0.1 * (real_out**2 + fake_out**2).mean()
    cdiv = fake_out.mean() - real_out.mean()
    loss = reg + cdiv
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(energy.parameters(), 0.1)
    opt.step()
    with torch.no_grad():
        gaps.append((energy(test_neg).mean() - energy(test_pos).mean()).item())
print(gaps[0], gaps[-1])
assert gaps[-1] < gaps[0]
