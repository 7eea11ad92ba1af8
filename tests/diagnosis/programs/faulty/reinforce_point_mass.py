"""REINFORCE for a point that is to be pushed to the origin: a Gaussian policy of learned width."""
# symptom: lost | words: nn.parameter, registered, plain tensor, not a parameter, optimizer

import torch
from torch import nn
from torch.distributions import Independent, Normal


class PushPolicy(nn.Module):
    def __init__(self, states=4, actions=2):
        super().__init__()
        self.mean = nn.Sequential(nn.Linear(states, 16), nn.Tanh(), nn.Linear(16, actions))
        self.log_width = torch.full((actions,), -0.5, requires_grad=True)  # cause

    def forward(self, state):
        return Independent(Normal(self.mean(state), self.log_width.exp()), 1)


class PointWorld:
    """Many points at once, each with a place and a velocity."""

    def __init__(self, count, horizon=8):
        self.count, self.horizon = count, horizon

    def reset(self):
        self.place = torch.randn(self.count, 2)
        self.velocity = torch.zeros(self.count, 2)
        return self.state()

    def state(self):
        return torch.cat([self.place, self.velocity], dim=1)

    def push(self, force):
        self.velocity = 0.5 * self.velocity + 0.5 * force
        self.place = self.place + self.velocity
        return self.state(), -self.place.pow(2).sum(dim=1) - 0.05 * force.pow(2).sum(dim=1)


def rollout(world, policy):
    state, log_probs, rewards = world.reset(), [], []
    for _ in range(world.horizon):
        choice = policy(state)
        force = choice.sample()
        log_probs.append(choice.log_prob(force))
        state, reward = world.push(force)
        rewards.append(reward)
    return torch.stack(log_probs), torch.stack(rewards)


def returns_to_go(rewards, discount=0.9):
    following, returns = torch.zeros_like(rewards[0]), []
    for reward in rewards.flip(0):
        following = reward + discount * following
        returns.append(following)
    return torch.stack(returns).flip(0)


def main():
    torch.manual_seed(175)
    world, policy = PointWorld(count=128), PushPolicy()
    optimizer = torch.optim.Adam(policy.parameters(), lr=2e-2)
    for update in range(60):
        log_probs, rewards = rollout(world, policy)
        returns = returns_to_go(rewards)
        gain = (returns - returns.mean(dim=1, keepdim=True)) / returns.std()
        loss = -(log_probs * gain).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if update % 15 == 0 or update == 59:
            width = policy.log_width.detach().exp().mean().item()
            print(f"update {update}: reward {rewards.mean().item():.3f}, width {width:.3f}")


if __name__ == "__main__":
    main()
