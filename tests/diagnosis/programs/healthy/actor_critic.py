"""Actor and critic on a shared trunk, trained after each episode."""

from collections import namedtuple

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.distributions import Categorical

SavedAction = namedtuple("SavedAction", ["log_prob", "value"])


class Catch:
    """A ball falls through seven rows; the paddle below must be where it lands."""

    def __init__(self, width=5, height=7):
        self.width, self.height = width, height

    def reset(self):
        self.ball = int(torch.randint(self.width, ()))
        self.row, self.paddle = 0, self.width // 2
        return self.observe()

    def observe(self):
        return torch.tensor([self.ball / 2 - 1, self.paddle / 2 - 1, self.row / self.height])

    def step(self, action):
        self.paddle = min(self.width - 1, max(0, self.paddle + action - 1))
        self.row += 1
        done = self.row == self.height
        reward = (1.0 if self.ball == self.paddle else -1.0) if done else 0.0
        return self.observe(), reward, done


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(3, 64)
        self.action_head = nn.Linear(64, 3)
        self.value_head = nn.Linear(64, 1)
        self.saved_actions = []
        self.rewards = []

    def forward(self, x):
        x = F.relu(self.affine1(x))
        return F.softmax(self.action_head(x), dim=-1), self.value_head(x)


def select_action(model, state):
    probs, state_value = model(state)
    m = Categorical(probs)
    action = m.sample()
    model.saved_actions.append(SavedAction(m.log_prob(action), state_value))
    return action.item()


def finish_episode(model, optimizer, gamma=0.98):
    R, returns = 0.0, []
    for r in model.rewards[::-1]:
        R = r + gamma * R
        returns.insert(0, R)
    policy_losses, value_losses = [], []
    for (log_prob, value), R in zip(model.saved_actions, returns, strict=True):
        advantage = R - value.item()
        policy_losses.append(-log_prob * advantage)
        value_losses.append(F.smooth_l1_loss(value, torch.tensor([R])))
    optimizer.zero_grad()
    loss = torch.stack(policy_losses).sum() + torch.stack(value_losses).sum()
    loss.backward()
    optimizer.step()
    del model.rewards[:]
    del model.saved_actions[:]


def main():
    torch.manual_seed(543)
    env, model = Catch(), Policy()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    running_reward = -1.0
    for i_episode in range(1, 141):
        state, done, ep_reward = env.reset(), False, 0.0
        while not done:
            state, reward, done = env.step(select_action(model, state))
            model.rewards.append(reward)
            ep_reward += reward
        running_reward = 0.05 * ep_reward + 0.95 * running_reward
        finish_episode(model, optimizer)
        if i_episode % 35 == 0:
            print(f"Episode {i_episode}\tAverage reward: {running_reward:.2f}")


if __name__ == "__main__":
    main()
