"""A small Dreamer: world model, actor and critic, each with its optimizer; parts frozen by a context manager."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(4)


class FreezeParameters:
    def __init__(self, modules):
        self.params = [p for m in modules for p in m.parameters()]
        self.states = [p.requires_grad for p in self.params]

    def __enter__(self):
        for p in self.params:
            p.requires_grad = False

    def __exit__(self, *_):
        for p, s in zip(self.params, self.states):
            p.requires_grad = s


OBS, ACT, LAT, H = 6, 2, 8, 6
encoder = nn.Linear(OBS, LAT)
cell = nn.GRUCell(ACT, LAT)
decoder = nn.Linear(LAT, OBS)
reward_head = nn.Linear(LAT, 1)
actor = nn.Sequential(nn.Linear(LAT, 16), nn.ELU(), nn.Linear(16, ACT), nn.Tanh())
critic = nn.Sequential(nn.Linear(LAT, 16), nn.ELU(), nn.Linear(16, 1))
world = [encoder, cell, decoder, reward_head]
world_opt = torch.optim.Adam([p for m in world for p in m.parameters()], lr=1e-2)
actor_opt = torch.optim.Adam(actor.parameters(), lr=5e-3)
critic_opt = torch.optim.Adam(critic.parameters(), lr=1e-2)

A, B = 0.3 * torch.randn(OBS, OBS), torch.randn(ACT, OBS)


def rollout(n=16, t=5):
    obs, seq_o, seq_a, seq_r = torch.randn(n, OBS), [], [], []
    for _ in range(t):
        act = torch.rand(n, ACT) * 2 - 1
        seq_o.append(obs)
        seq_a.append(act)
        obs = torch.tanh(obs @ A + act @ B)
        seq_r.append(-((obs[:, :1] - 0.5) ** 2))
    return torch.stack(seq_o), torch.stack(seq_a), torch.stack(seq_r)


log = []
for step in range(15):
    obs, act, rew = rollout()
    state, states = torch.tanh(encoder(obs[0])), []
    rec = F.mse_loss(decoder(state), obs[0])
    for t in range(len(obs) - 1):
        state = cell(act[t], state)
        states.append(state)
        rec = rec + F.mse_loss(decoder(state), obs[t + 1]) + F.mse_loss(reward_head(state), rew[t])
    world_opt.zero_grad()
    rec.backward()
    nn.utils.clip_grad_norm_([p for m in world for p in m.parameters()], 100.0)
    world_opt.step()

    with torch.no_grad():
        start = torch.cat(states).detach()
    with FreezeParameters(world):
        imag, s = [], start
        for _ in range(H):
            s = cell(actor(s.detach()), s)
            imag.append(s)
        imag = torch.stack(imag)
    with FreezeParameters(world + [critic]):
        r, v = reward_head(imag), critic(imag)
    returns, last = [], v[-1]
    for t in reversed(range(H)):
        last = r[t] + 0.95 * (0.05 * v[t] + 0.95 * last)
        returns.insert(0, last)
    returns = torch.stack(returns)
    actor_loss = -returns.mean()
    actor_opt.zero_grad()
    actor_loss.backward()
    actor_opt.step()

    with torch.no_grad():
        feat, target = imag.detach(), returns.detach()
    critic_loss = F.mse_loss(critic(feat), target)
    critic_opt.zero_grad()
    critic_loss.backward()
    critic_opt.step()
    log.append((rec.item(), actor_loss.item(), critic_loss.item()))
print(log[0], log[-1])
assert log[-1][0] < log[0][0]
