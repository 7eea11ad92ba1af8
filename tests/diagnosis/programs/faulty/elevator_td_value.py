"""TD(0) values of elevator waiting queues; the bootstrapped target comes from the same net."""

# symptom: wrong | words: target, detach, no_grad, bootstrap
import torch
from torch import nn


class ValueNet(nn.Module):
    def __init__(self, floors=5, width=24):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(floors, width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, queue):
        return self.net(queue).squeeze(-1)


def serve(queue):
    """The fullest floor is emptied, people arrive everywhere."""
    reward = -queue.sum(1)
    following = queue + torch.rand_like(queue) * 0.3
    following[torch.arange(len(queue)), queue.argmax(1)] = 0
    return reward, following


def td_loss(value, queue, reward, following, gamma):
    target = reward + gamma * value(following)  # cause
    return (value(queue) - target).pow(2).mean()  # cause


def main():
    torch.manual_seed(62)
    value = ValueNet()
    optimizer = torch.optim.Adam(value.parameters(), lr=1e-2)
    queue = torch.rand(64, 5)
    for step in range(24):
        reward, following = serve(queue)
        loss = td_loss(value, queue, reward, following, gamma=0.9)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        queue = following
        if step % 6 == 0:
            print(step, loss.item(), value(queue).mean().item())


if __name__ == "__main__":
    main()
