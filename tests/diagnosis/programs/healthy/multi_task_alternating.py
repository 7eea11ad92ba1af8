"""Two tasks in turn on one trunk; the trunk and the heads have optimizers of their own."""

import itertools

import torch
import torch.nn.functional as F
from torch import nn


class MultiTask(nn.Module):
    def __init__(self, features=8, width=32):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(features, width), nn.ReLU(), nn.Linear(width, width))
        self.heads = nn.ModuleDict({"price": nn.Linear(width, 1), "kind": nn.Linear(width, 4)})

    def forward(self, x, task):
        return self.heads[task](torch.relu(self.trunk(x)))


def task_loss(task, output, target):
    if task == "price":
        return F.mse_loss(output.squeeze(1), target)
    return F.cross_entropy(output, target)


class AlternatingTrainer:
    def __init__(self, model):
        self.model = model
        self.trunk_optimizer = torch.optim.SGD(model.trunk.parameters(), lr=0.05, momentum=0.9)
        self.head_optimizer = torch.optim.Adam(model.heads.parameters(), lr=1e-2)

    def step(self, task, x, target):
        self.trunk_optimizer.zero_grad()
        self.head_optimizer.zero_grad()
        loss = task_loss(task, self.model(x, task), target)
        loss.backward()
        self.trunk_optimizer.step()
        self.head_optimizer.step()  # the head of the other task has no gradient in this step
        return loss.item()

    def fit(self, sources, steps):
        history = {task: [] for task in sources}
        turns = itertools.cycle(sources)
        for step in range(1, steps + 1):
            task = next(turns)
            x, target = sources[task]
            rows = torch.randint(0, len(x), (40,))
            history[task].append(self.step(task, x[rows], target[rows]))
            if step % 40 == 0:
                recent = {name: sum(kept[-20:]) / 20 for name, kept in history.items()}
                print(step, ", ".join(f"{name} {value:.4f}" for name, value in recent.items()))


def main():
    torch.manual_seed(52)
    directions = torch.randn(8, 2)
    houses, flats = torch.randn(240, 8), torch.randn(240, 8)
    price = torch.tanh(houses @ directions).sum(dim=1) + 0.1 * torch.randn(240)
    above = (flats @ directions > 0).long()
    sources = {"price": (houses, price), "kind": (flats, 2 * above[:, 0] + above[:, 1])}
    AlternatingTrainer(MultiTask()).fit(sources, steps=200)


if __name__ == "__main__":
    main()
