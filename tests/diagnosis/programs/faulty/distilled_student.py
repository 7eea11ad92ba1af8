"""A small student learns from the softened answers of a wide teacher."""
# symptom: wrong | words: every batch, each batch, new optimizer, anew, rebuilt, built again, moment

import torch
import torch.nn.functional as F
from torch import nn


def network(width):
    return nn.Sequential(nn.Linear(6, width), nn.ReLU(), nn.Linear(width, 5))


def samples(n):
    x = torch.randn(n, 6)
    label = (torch.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2]).mul(2).round().clamp(-2, 2).long() + 2
    return x, label


def train_teacher(x, label, steps=120):
    teacher = network(96)
    optimizer = torch.optim.Adam(teacher.parameters(), lr=1e-2)
    for _ in range(steps):
        loss = F.cross_entropy(teacher(x), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"teacher: {loss.item():.4f}")
    return teacher.eval().requires_grad_(False)


class Distillation:
    def __init__(self, teacher, student, lr=5e-3, temperature=2.0, share=0.7):
        self.teacher, self.student = teacher, student
        self.lr, self.temperature, self.share = lr, temperature, share

    def configure(self):
        return torch.optim.Adam(self.student.parameters(), lr=self.lr)  # cause

    def loss(self, x, label):
        with torch.no_grad():
            soft = F.softmax(self.teacher(x) / self.temperature, dim=1)
        logits = self.student(x)
        log_soft = F.log_softmax(logits / self.temperature, dim=1)
        imitation = F.kl_div(log_soft, soft, reduction="batchmean") * self.temperature**2
        return self.share * imitation + (1 - self.share) * F.cross_entropy(logits, label)

    def training_step(self, x, label):
        optimizer = self.configure()  # cause
        loss = self.loss(x, label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()


def main():
    torch.manual_seed(55)
    x, label = samples(320)
    distillation = Distillation(train_teacher(x, label), network(16))
    for epoch in range(12):
        losses = [
            distillation.training_step(x[rows], label[rows])
            for rows in torch.randperm(len(x)).split(32)
        ]
        if epoch % 3 == 0:
            print(f"epoch {epoch}: {sum(losses) / len(losses):.4f}")


if __name__ == "__main__":
    main()
