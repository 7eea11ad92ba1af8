"""A2C with generalised advantage estimation computed under no_grad and a shared trunk."""

import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(7)


class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(4, 32), nn.Tanh())
        self.pi, self.v = nn.Linear(32, 3), nn.Linear(32, 1)
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.orthogonal_(m.weight, 1.0)
                nn.init.zeros_(m.bias)

    def forward(self, x):
        h = self.trunk(x)
        return Categorical(logits=self.pi(h)), self.v(h).squeeze(-1)


net = ActorCritic()
opt = torch.optim.RMSprop(net.parameters(), lr=7e-3, alpha=0.99, eps=1e-5)
T, N, gamma, lam = 8, 16, 0.9, 0.95
obs = torch.randn(N, 4)
rewards_seen = []
for update in range(25):
    logps, values, entropies = [], [], []
    rewards, masks = torch.zeros(T, N), torch.ones(T, N)
    for t in range(T):
        dist, value = net(obs)
        action = dist.sample()
        logps.append(dist.log_prob(action))
        entropies.append(dist.entropy())
        values.append(value)
        rewards[t] = (action == obs[:, :3].argmax(1)).float()
        masks[t] = (torch.rand(N) > 0.1).float()
        obs = torch.randn(N, 4)
    with torch.no_grad():
        _, next_value = net(obs)
        v = torch.stack(values + [next_value])
        adv, gae = torch.zeros(T, N), torch.zeros(N)
        for t in reversed(range(T)):
            delta = rewards[t] + gamma * v[t + 1] * masks[t] - v[t]
            gae = delta + gamma * lam * masks[t] * gae
            adv[t] = gae
        returns = adv + v[:-1]
        adv = (adv - adv.mean()) / (adv.std() + 1e-8)
    policy_loss = -(torch.stack(logps) * adv).mean()
    value_loss = 0.5 * (torch.stack(values) - returns).pow(2).mean()
    loss = policy_loss + 0.5 * value_loss - 0.01 * torch.stack(entropies).mean()
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 0.5)
    opt.step()
    rewards_seen.append(rewards.mean().item())
print(rewards_seen[0], rewards_seen[-1])
assert rewards_seen[-1] > rewards_seen[0]
