"""SAC with an automatically tuned temperature: log_alpha is a bare tensor, twin critics, polyak targets."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(5)


class Actor(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(3, 32), nn.ReLU())
        self.mu, self.log_std = nn.Linear(32, 1), nn.Linear(32, 1)

    def forward(self, s):
        h = self.trunk(s)
        dist = torch.distributions.Normal(self.mu(h), self.log_std(h).clamp(-5, 2).exp())
        u = dist.rsample()
        a = torch.tanh(u)
        logp = dist.log_prob(u) - torch.log(1 - a.pow(2) + 1e-6)
        return a, logp.sum(-1, keepdim=True)


class Twin(nn.Module):
    def __init__(self):
        super().__init__()
        self.q1 = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 1))
        self.q2 = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, s, a):
        x = torch.cat([s, a], 1)
        return self.q1(x), self.q2(x)


actor, critic = Actor(), Twin()
critic_target = copy.deepcopy(critic)
log_alpha = torch.zeros(1, requires_grad=True)
target_entropy = -1.0
actor_opt = torch.optim.Adam(actor.parameters(), lr=3e-3)
critic_opt = torch.optim.Adam(critic.parameters(), lr=1e-2)
alpha_opt = torch.optim.Adam([log_alpha], lr=3e-3)

S, A = torch.randn(256, 3), torch.rand(256, 1) * 2 - 1
R = -((A - S[:, :1].tanh()) ** 2)
S2, D = torch.randn(256, 3), (torch.rand(256, 1) < 0.5).float()
hist = []
for step in range(60):
    idx = torch.randint(0, 256, (64,))
    s, a, r, s2, d = S[idx], A[idx], R[idx], S2[idx], D[idx]
    alpha = log_alpha.exp().item()
    with torch.no_grad():
        a2, lp2 = actor(s2)
        target = r + 0.9 * (1 - d) * (torch.min(*critic_target(s2, a2)) - alpha * lp2)
    q1, q2 = critic(s, a)
    critic_loss = F.mse_loss(q1, target) + F.mse_loss(q2, target)
    critic_opt.zero_grad()
    critic_loss.backward()
    critic_opt.step()

    pi, lp = actor(s)
    actor_loss = (alpha * lp - torch.min(*critic(s, pi))).mean()
    actor_opt.zero_grad()
    actor_loss.backward()
    actor_opt.step()

    alpha_loss = -(log_alpha * (lp + target_entropy).detach()).mean()
    alpha_opt.zero_grad()
    alpha_loss.backward()
    alpha_opt.step()

    for p, pt in zip(critic.parameters(), critic_target.parameters()):
        pt.data.copy_(0.02 * p.data + 0.98 * pt.data)
    with torch.no_grad():
        hist.append((torch.tanh(actor.mu(actor.trunk(S))) - S[:, :1].tanh()).pow(2).mean().item())
print(hist[0], hist[-1], log_alpha.item())
assert hist[-1] < hist[0]
