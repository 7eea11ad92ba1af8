"""Half-labelled data: a student agrees with a teacher that is the slow average of the student."""

import copy

import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(2, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh()
        )
        self.head = nn.Linear(width, 2)

    def forward(self, x):
        return self.head(self.body(x))


class MeanTeacher:
    def __init__(self, student, lr=1e-2, keep=0.95, weight=2.0):
        self.student, self.keep, self.weight = student, keep, weight
        self.teacher = copy.deepcopy(student)
        self.optimizer = torch.optim.Adam(student.parameters(), lr=lr)

    def agreement(self, x):
        with torch.no_grad():
            wanted = F.softmax(self.teacher(x + 0.05 * torch.randn_like(x)), dim=1)
        return F.mse_loss(F.softmax(self.student(x + 0.05 * torch.randn_like(x)), dim=1), wanted)

    def follow(self):
        with torch.no_grad():
            pairs = zip(self.teacher.parameters(), self.student.parameters(), strict=True)
            for slow, fast in pairs:
                slow.mul_(self.keep).add_(fast, alpha=1 - self.keep)

    def step(self, x, label, unlabelled):
        loss = F.cross_entropy(self.student(x), label) + self.weight * self.agreement(unlabelled)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.follow()
        return loss.item()


def moons(n):
    label = torch.arange(n) % 2
    angle = 3.14 * torch.rand(n)
    x = torch.stack([torch.cos(angle), torch.sin(angle)], dim=1)
    x[label == 1] = torch.tensor([1.0, 0.4]) - x[label == 1]
    return x + 0.08 * torch.randn(n, 2), label


def main():
    torch.manual_seed(43)
    x, label = moons(400)
    method = MeanTeacher(Net())
    for step in range(120):
        rows, more = torch.randint(0, 40, (20,)), torch.randint(40, 400, (60,))
        loss = method.step(x[rows], label[rows], x[more])
        if step % 20 == 0:
            with torch.no_grad():
                right = (method.teacher(x).argmax(1) == label).float().mean()
            print(f"step {step}: loss {loss:.4f}, teacher right {right:.3f}")


if __name__ == "__main__":
    main()
