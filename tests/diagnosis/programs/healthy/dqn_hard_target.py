"""DQN with a replay memory; the target network is overwritten by load_state_dict now and then."""

import math
import random
from collections import deque, namedtuple

import torch
import torch.nn as nn
import torch.optim as optim

Transition = namedtuple("Transition", ("state", "action", "next_state", "reward"))


class ReplayMemory:
    def __init__(self, capacity):
        self.memory = deque(maxlen=capacity)

    def push(self, *args):
        self.memory.append(Transition(*args))

    def sample(self, batch_size):
        return random.sample(self.memory, batch_size)

    def __len__(self):
        return len(self.memory)


class Balance:
    """A ball on a line is pushed left or right; it falls at both ends."""

    def reset(self):
        self.x, self.v, self.t = random.uniform(-0.2, 0.2), 0.0, 0
        return [self.x, self.v]

    def step(self, action):
        self.v += (0.05 if action == 1 else -0.05) + 0.04 * self.x
        self.x += self.v
        self.t += 1
        terminated = abs(self.x) > 1.0
        return [self.x, self.v], (0.0 if terminated else 1.0), terminated, self.t >= 40


class DQN(nn.Module):
    def __init__(self, n_observations, n_actions):
        super().__init__()
        self.layer1 = nn.Linear(n_observations, 32)
        self.layer2 = nn.Linear(32, n_actions)

    def forward(self, x):
        return self.layer2(torch.relu(self.layer1(x)))


random.seed(0)
torch.manual_seed(0)
BATCH_SIZE, GAMMA, UPDATE_EVERY = 32, 0.9, 50
env, memory = Balance(), ReplayMemory(1000)
policy_net, target_net = DQN(2, 2), DQN(2, 2)
target_net.load_state_dict(policy_net.state_dict())
optimizer = optim.AdamW(policy_net.parameters(), lr=3e-3, amsgrad=True)
steps_done = 0


def select_action(state):
    global steps_done
    epsilon = 0.05 + 0.85 * math.exp(-steps_done / 150)
    steps_done += 1
    if random.random() > epsilon:
        with torch.no_grad():
            return policy_net(state).max(1).indices.view(1, 1)
    return torch.tensor([[random.randrange(2)]])


def optimize_model():
    if len(memory) < BATCH_SIZE:
        return None
    batch = Transition(*zip(*memory.sample(BATCH_SIZE), strict=True))
    non_final_mask = torch.tensor([s is not None for s in batch.next_state])
    non_final_next_states = torch.cat([s for s in batch.next_state if s is not None])
    state_action_values = policy_net(torch.cat(batch.state)).gather(1, torch.cat(batch.action))

    next_state_values = torch.zeros(BATCH_SIZE)
    with torch.no_grad():
        next_state_values[non_final_mask] = target_net(non_final_next_states).max(1).values
    expected = (next_state_values * GAMMA) + torch.cat(batch.reward)

    loss = nn.SmoothL1Loss()(state_action_values, expected.unsqueeze(1))
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_value_(policy_net.parameters(), 100)
    optimizer.step()
    return loss.item()


for episode in range(20):
    state, done, loss = torch.tensor([env.reset()]), False, None
    while not done:
        action = select_action(state)
        observation, reward, terminated, truncated = env.step(action.item())
        done = terminated or truncated
        next_state = None if terminated else torch.tensor([observation])
        memory.push(state, action, next_state, torch.tensor([reward]))
        state = next_state
        loss = optimize_model()
        if steps_done % UPDATE_EVERY == 0:
            target_net.load_state_dict(policy_net.state_dict())
    if episode % 5 == 4:
        print(f"episode {episode}: {env.t} steps, loss {loss:.4f}")
