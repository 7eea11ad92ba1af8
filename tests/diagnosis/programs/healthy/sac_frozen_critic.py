"""Soft actor-critic with twin critics; they are frozen while the actor takes its step."""

import copy
from itertools import pairwise

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.distributions import Normal


def mlp(sizes):
    layers = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class SquashedGaussianActor(nn.Module):
    def __init__(self, obs_dim, act_dim, hidden=32):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(obs_dim, hidden), nn.ReLU())
        self.mu_layer = nn.Linear(hidden, act_dim)
        self.log_std_layer = nn.Linear(hidden, act_dim)

    def forward(self, obs):
        hidden = self.net(obs)
        std = self.log_std_layer(hidden).clamp(-5, 2).exp()
        distribution = Normal(self.mu_layer(hidden), std)
        raw = distribution.rsample()
        logp = distribution.log_prob(raw).sum(-1)
        logp -= (2 * (0.6931 - raw - F.softplus(-2 * raw))).sum(-1)
        return torch.tanh(raw), logp


class ActorCritic(nn.Module):
    def __init__(self, obs_dim=1, act_dim=1):
        super().__init__()
        self.pi = SquashedGaussianActor(obs_dim, act_dim)
        self.q1 = mlp([obs_dim + act_dim, 32, 1])
        self.q2 = mlp([obs_dim + act_dim, 32, 1])

    def q(self, o, a):
        x = torch.cat([o, a], dim=-1)
        return self.q1(x).squeeze(-1), self.q2(x).squeeze(-1)


torch.manual_seed(10)
gamma, polyak, alpha = 0.8, 0.98, 0.05
ac = ActorCritic()
ac_targ = copy.deepcopy(ac)
for p in ac_targ.parameters():
    p.requires_grad = False
q_params = [*ac.q1.parameters(), *ac.q2.parameters()]
pi_optimizer = torch.optim.Adam(ac.pi.parameters(), lr=3e-3)
q_optimizer = torch.optim.Adam(q_params, lr=3e-3)


def compute_loss_q(o, a, r, o2):
    q1, q2 = ac.q(o, a)
    with torch.no_grad():
        a2, logp_a2 = ac.pi(o2)
        backup = r + gamma * (torch.min(*ac_targ.q(o2, a2)) - alpha * logp_a2)
    return ((q1 - backup) ** 2).mean() + ((q2 - backup) ** 2).mean()


def compute_loss_pi(o):
    a, logp = ac.pi(o)
    return (alpha * logp - torch.min(*ac.q(o, a))).mean()


def update(data):
    q_optimizer.zero_grad()
    loss_q = compute_loss_q(*data)
    loss_q.backward()
    q_optimizer.step()

    for p in q_params:
        p.requires_grad = False
    pi_optimizer.zero_grad()
    loss_pi = compute_loss_pi(data[0])
    loss_pi.backward()
    pi_optimizer.step()
    for p in q_params:
        p.requires_grad = True

    with torch.no_grad():
        for p, p_targ in zip(ac.parameters(), ac_targ.parameters(), strict=True):
            p_targ.data.mul_(polyak)
            p_targ.data.add_((1 - polyak) * p.data)
    return loss_q.item(), loss_pi.item()


o = 2 * torch.rand(64, 1) - 1  # 64 walkers on a line, to be brought to 0
for t in range(150):
    with torch.no_grad():
        a, _ = ac.pi(o)
    o2 = (o + 0.5 * a).clamp(-1.5, 1.5)
    r = -(o2**2).squeeze(-1)
    loss_q, loss_pi = update((o, a, r, o2))
    if t % 30 == 29:
        print(f"{t}: distance {o2.abs().mean():.3f} LossQ {loss_q:.4f} LossPi {loss_pi:.4f}")
    o = 2 * torch.rand(64, 1) - 1 if t % 5 == 4 else o2
