"""An actor opens greenhouse vents, a critic judges; both with their optimizer and clipping."""

# symptom: lost | words: clip
import torch
import torch.nn.functional as F
from torch import nn


def mlp(inputs, outputs):
    return nn.Sequential(nn.Linear(inputs, 24), nn.Tanh(), nn.Linear(24, outputs))


class Greenhouse:
    def __init__(self, n):
        self.state = torch.randn(n, 2)

    def step(self, vent):
        drift = torch.randn_like(self.state) * 0.1
        self.state = 0.9 * self.state + drift
        self.state[:, 0] += 0.5 * (vent.float() - 0.5) * 2
        return -(self.state[:, 0] - 1.0).abs() * 10


def main():
    torch.manual_seed(34)
    actor, critic = mlp(2, 2), mlp(2, 1)
    actor_optimizer = torch.optim.SGD(actor.parameters(), lr=0.02)
    critic_optimizer = torch.optim.Adam(critic.parameters(), lr=1e-2)
    house, max_norm, gamma = Greenhouse(32), 0.5, 0.9
    for update in range(20):
        state = house.state.clone()
        choice = torch.distributions.Categorical(logits=actor(state))
        vent = choice.sample()
        reward = house.step(vent)
        with torch.no_grad():
            target = reward + gamma * critic(house.state).squeeze(1)
        value = critic(state).squeeze(1)
        advantage = (target - value).detach()

        critic_optimizer.zero_grad()
        F.mse_loss(value, target).backward()
        nn.utils.clip_grad_norm_(critic.parameters(), max_norm)
        critic_optimizer.step()

        actor_optimizer.zero_grad()
        actor_loss = -(choice.log_prob(vent) * advantage).mean()
        actor_loss.backward()
        nn.utils.clip_grad_norm_(critic.parameters(), max_norm)  # cause
        actor_optimizer.step()
        if update % 5 == 0:
            print(update, reward.mean().item(), actor_loss.item())


if __name__ == "__main__":
    main()
