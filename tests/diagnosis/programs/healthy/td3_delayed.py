"""TD3: the actor moves every second step, target smoothing, polyak averages."""

import copy

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(6)
actor = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2), nn.Tanh())


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1, self.l2 = nn.Linear(6, 32), nn.Linear(32, 1)
        self.l3, self.l4 = nn.Linear(6, 32), nn.Linear(32, 1)

    def forward(self, s, a):
        sa = torch.cat([s, a], 1)
        return self.l2(F.relu(self.l1(sa))), self.l4(F.relu(self.l3(sa)))

    def Q1(self, s, a):
        sa = torch.cat([s, a], 1)
        return self.l2(F.relu(self.l1(sa)))


class TD3:
    def __init__(self):
        self.actor, self.actor_target = actor, copy.deepcopy(actor)
        self.actor_optimizer = torch.optim.Adam(self.actor.parameters(), lr=3e-3)
        self.critic = Critic()
        self.critic_target = copy.deepcopy(self.critic)
        self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), lr=1e-2)
        self.total_it = 0

    def train(self, state, action, next_state, reward, not_done):
        self.total_it += 1
        with torch.no_grad():
            noise = (torch.randn_like(action) * 0.2).clamp(-0.5, 0.5)
            next_action = (self.actor_target(next_state) + noise).clamp(-1, 1)
            q1, q2 = self.critic_target(next_state, next_action)
            target = reward + not_done * 0.9 * torch.min(q1, q2)
        c1, c2 = self.critic(state, action)
        critic_loss = F.mse_loss(c1, target) + F.mse_loss(c2, target)
        self.critic_optimizer.zero_grad()
        critic_loss.backward()
        self.critic_optimizer.step()
        if self.total_it % 2 == 0:
            actor_loss = -self.critic.Q1(state, self.actor(state)).mean()
            self.actor_optimizer.zero_grad()
            actor_loss.backward()
            self.actor_optimizer.step()
            for net, tgt in ((self.critic, self.critic_target), (self.actor, self.actor_target)):
                for param, target_param in zip(net.parameters(), tgt.parameters()):
                    target_param.data.copy_(0.05 * param.data + 0.95 * target_param.data)
        return critic_loss.item()


S, S2 = torch.randn(200, 4), torch.randn(200, 4)
A = torch.rand(200, 2) * 2 - 1
R = 1 - (A - S[:, :2].tanh()).pow(2).sum(1, keepdim=True)
N = (torch.rand(200, 1) > 0.3).float()
agent, losses = TD3(), []
for it in range(30):
    ind = torch.randint(0, 200, (64,))
    losses.append(agent.train(S[ind], A[ind], S2[ind], R[ind], N[ind]))
print(losses[0], losses[-1])
assert losses[-1] < losses[0]
