"""REINFORCE with whitened returns: a policy of two layers that steers a cart to the middle."""

from itertools import count

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.distributions import Categorical

eps = np.finfo(np.float32).eps.item()


class Cart:
    def __init__(self, seed):
        self.random = np.random.default_rng(seed)

    def reset(self):
        self.state = np.array([self.random.uniform(-1, 1), 0.0], dtype=np.float32)
        return self.state.copy()

    def step(self, action):
        self.state[1] = 0.9 * self.state[1] + (0.1 if action == 1 else -0.1)
        self.state[0] = np.clip(self.state[0] + self.state[1], -2, 2)
        return self.state.copy(), -abs(float(self.state[0]))


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(2, 48)
        self.dropout = nn.Dropout(p=0.1)
        self.affine2 = nn.Linear(48, 2)
        self.saved_log_probs = []
        self.rewards = []

    def forward(self, x):
        x = F.relu(self.dropout(self.affine1(x)))
        return F.softmax(self.affine2(x), dim=1)


class Reinforce:
    def __init__(self, gamma=0.9, lr=2e-2):
        self.policy, self.gamma = Policy(), gamma
        self.optimizer = torch.optim.Adam(self.policy.parameters(), lr=lr)

    def select_action(self, state):
        m = Categorical(self.policy(torch.from_numpy(state).unsqueeze(0)))
        action = m.sample()
        self.policy.saved_log_probs.append(m.log_prob(action))
        return action.item()

    def finish_episode(self):
        R, returns = 0.0, []
        for r in self.policy.rewards[::-1]:
            R = r + self.gamma * R
            returns.append(R)
        returns = torch.tensor(returns[::-1])
        returns = (returns - returns.mean()) / (returns.std() + eps)
        losses = [-p * R for p, R in zip(self.policy.saved_log_probs, returns, strict=True)]
        self.optimizer.zero_grad()
        policy_loss = torch.cat(losses).sum()
        policy_loss.backward()
        self.optimizer.step()
        self.policy.rewards.clear()
        self.policy.saved_log_probs.clear()

    def run(self, env, episodes, length=25):
        running = None
        for i_episode in count(1):
            state, total = env.reset(), 0.0
            for _ in range(length):
                state, reward = env.step(self.select_action(state))
                self.policy.rewards.append(reward)
                total += reward
            running = total if running is None else 0.9 * running + 0.1 * total
            self.finish_episode()
            if i_episode % 15 == 0:
                print(f"Episode {i_episode}\tLast {total:.2f}\tAverage {running:.2f}")
            if i_episode == episodes:
                break


if __name__ == "__main__":
    torch.manual_seed(7)
    Reinforce().run(Cart(seed=7), episodes=45)
