"""A heater learns when to run, by Q-learning with a target network."""

import random
from collections import deque

import torch
import torch.nn.functional as F
from torch import nn


class Room:
    """Temperature that falls by itself and rises while heating; 20 degrees are wanted."""

    def reset(self):
        self.temperature, self.time = random.uniform(14, 24), 0
        return self.observe()

    def observe(self):
        return [(self.temperature - 20) / 5]

    def step(self, heating):
        self.temperature += (0.9 if heating else -0.6) + random.gauss(0, 0.1)
        self.temperature = min(30.0, max(10.0, self.temperature))
        self.time += 1
        reward = -abs(self.temperature - 20) / 5 - 0.05 * heating
        return self.observe(), reward, self.time >= 25


def q_network():
    return nn.Sequential(
        nn.Linear(1, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 2)
    )


class Controller:
    def __init__(self, gamma=0.9, every=40):
        self.online, self.target = q_network(), q_network().requires_grad_(False)
        self.synchronise()
        self.optimizer = torch.optim.Adam(self.online.parameters(), lr=3e-3)
        self.gamma, self.every, self.updates = gamma, every, 0

    def synchronise(self):
        pairs = zip(self.target.parameters(), self.online.parameters(), strict=True)
        for behind, ahead in pairs:
            behind.data.copy_(ahead.data)

    def act(self, state, curiosity):
        if random.random() < curiosity:
            return random.randrange(2)
        with torch.no_grad():
            return int(self.online(torch.tensor(state)).argmax())

    def update(self, batch):
        state, action, reward, following = (torch.tensor(part) for part in zip(*batch, strict=True))
        with torch.no_grad():
            value = reward + self.gamma * self.target(following).max(dim=1).values
        chosen = self.online(state).gather(1, action[:, None]).squeeze(1)
        loss = F.smooth_l1_loss(chosen, value)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.updates += 1
        if self.updates % self.every == 0:
            self.synchronise()
        return loss.item()


def main():
    torch.manual_seed(20)
    random.seed(20)
    room, controller, memory = Room(), Controller(), deque(maxlen=1000)
    for episode in range(16):
        state, done, earned, losses = room.reset(), False, 0.0, []
        while not done:
            action = controller.act(state, curiosity=max(0.05, 1 - episode / 8))
            following, reward, done = room.step(action)
            memory.append((state, action, reward, following))
            state, earned = following, earned + reward
            if len(memory) >= 50:
                losses.append(controller.update(random.sample(memory, 32)))
        if episode % 3 == 0 and losses:
            print(f"episode {episode}: {earned:.2f}, loss {sum(losses) / len(losses):.4f}")


if __name__ == "__main__":
    main()
