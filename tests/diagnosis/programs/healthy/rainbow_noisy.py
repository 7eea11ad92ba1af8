"""Part of Rainbow: factorised noisy layers (noise in buffers), dueling heads, categorical values, double targets."""

import math

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(8)
ATOMS, ACTIONS = 11, 3
support = torch.linspace(-2, 2, ATOMS)


class NoisyLinear(nn.Module):
    def __init__(self, i, o, std_init=0.4):
        super().__init__()
        self.i, self.o = i, o
        self.weight_mu = nn.Parameter(torch.empty(o, i))
        self.weight_sigma = nn.Parameter(torch.empty(o, i))
        self.register_buffer("weight_epsilon", torch.empty(o, i))
        self.bias_mu = nn.Parameter(torch.empty(o))
        self.bias_sigma = nn.Parameter(torch.empty(o))
        self.register_buffer("bias_epsilon", torch.empty(o))
        bound = 1 / math.sqrt(i)
        self.weight_mu.data.uniform_(-bound, bound)
        self.weight_sigma.data.fill_(std_init / math.sqrt(i))
        self.bias_mu.data.uniform_(-bound, bound)
        self.bias_sigma.data.fill_(std_init / math.sqrt(o))
        self.reset_noise()

    def _scale(self, n):
        x = torch.randn(n)
        return x.sign().mul_(x.abs().sqrt_())

    def reset_noise(self):
        ei, eo = self._scale(self.i), self._scale(self.o)
        self.weight_epsilon.copy_(eo.outer(ei))
        self.bias_epsilon.copy_(eo)

    def forward(self, x):
        if self.training:
            return F.linear(
                x,
                self.weight_mu + self.weight_sigma * self.weight_epsilon,
                self.bias_mu + self.bias_sigma * self.bias_epsilon,
            )
        return F.linear(x, self.weight_mu, self.bias_mu)


class DQN(nn.Module):
    def __init__(self):
        super().__init__()
        self.feat = nn.Linear(4, 32)
        self.value, self.adv = NoisyLinear(32, ATOMS), NoisyLinear(32, ATOMS * ACTIONS)

    def forward(self, x, log=False):
        h = F.relu(self.feat(x))
        v, a = self.value(h).view(-1, 1, ATOMS), self.adv(h).view(-1, ACTIONS, ATOMS)
        q = v + a - a.mean(1, keepdim=True)
        return F.log_softmax(q, 2) if log else F.softmax(q, 2)

    def reset_noise(self):
        for m in self.children():
            if hasattr(m, "reset_noise"):
                m.reset_noise()


online, target = DQN(), DQN()
target.load_state_dict(online.state_dict())
target.train()
for p in target.parameters():
    p.requires_grad = False
optimiser = torch.optim.Adam(online.parameters(), lr=1e-2, eps=1.5e-4)
S, S2 = torch.randn(128, 4), torch.randn(128, 4)
A = torch.randint(0, ACTIONS, (128,))
R = (S[:, :3].argmax(1) == A).float()
D = (torch.rand(128) < 0.7).float()
curve = []
for step in range(25):
    if step % 5 == 0:
        target.load_state_dict(online.state_dict())
    online.reset_noise()
    log_ps = online(S, log=True)
    log_ps_a = log_ps[range(128), A]
    with torch.no_grad():
        best = (support * online(S2)).sum(2).argmax(1)
        target.reset_noise()
        pns_a = target(S2)[range(128), best]
        Tz = (R.unsqueeze(1) + (1 - D).unsqueeze(1) * 0.9 * support).clamp(-2, 2)
        b = (Tz + 2) / (4 / (ATOMS - 1))
        l, u = b.floor().long(), b.ceil().long()
        l[(u > 0) * (l == u)] -= 1
        u[(l < (ATOMS - 1)) * (l == u)] += 1
        m = torch.zeros(128, ATOMS)
        off = torch.linspace(0, 127 * ATOMS, 128).unsqueeze(1).expand(128, ATOMS).long()
        m.view(-1).index_add_(0, (l + off).view(-1), (pns_a * (u.float() - b)).view(-1))
        m.view(-1).index_add_(0, (u + off).view(-1), (pns_a * (b - l.float())).view(-1))
    loss = -torch.sum(m * log_ps_a, 1)
    online.zero_grad()
    loss.mean().backward()
    nn.utils.clip_grad_norm_(online.parameters(), 10.0)
    optimiser.step()
    curve.append(loss.mean().item())
print(curve[0], curve[-1])
assert curve[-1] < curve[0]
