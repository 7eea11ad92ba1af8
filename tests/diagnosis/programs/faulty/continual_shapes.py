"""Two tasks one after the other; weights are held near their old values in the second one."""
# symptom: wrong | words: clone, copy, alias, same storage, same memory, detach

import torch
import torch.nn.functional as F
from torch import nn


class SharedNet(nn.Module):
    def __init__(self, features=12, width=32):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(features, width), nn.ReLU(), nn.Linear(width, 3))

    def forward(self, x):
        return self.body(x)


class ContinualLearner:
    def __init__(self, model, strength, lr=5e-2):
        self.model, self.strength, self.lr = model, strength, lr
        self.anchors = []

    def remember(self):
        self.anchors = [p.detach() for p in self.model.parameters()]  # cause

    def drift(self):
        if not self.anchors:
            return torch.zeros(())
        pairs = zip(self.model.parameters(), self.anchors, strict=True)
        return sum((p - anchor).pow(2).sum() for p, anchor in pairs)

    def learn(self, x, y, epochs):
        optimizer = torch.optim.SGD(self.model.parameters(), lr=self.lr)
        for epoch in range(epochs):
            total = 0.0
            for rows in torch.randperm(len(y)).split(25):
                optimizer.zero_grad()
                loss = F.cross_entropy(self.model(x[rows]), y[rows])
                loss = loss + self.strength * self.drift()
                loss.backward()
                optimizer.step()
                total += loss.item()
            if epoch % 3 == 0:
                print(f"  epoch {epoch}: {total / (len(y) // 25):.4f}")
        self.remember()

    @torch.no_grad()
    def accuracy(self, x, y):
        return (self.model(x).argmax(1) == y).float().mean().item()


def task(n, seed):
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 3, (n,), generator=generator)
    centres = 1.5 * torch.randn(3, 12, generator=generator)
    return centres[y] + torch.randn(n, 12, generator=generator), y


def main():
    torch.manual_seed(70)
    first, second = task(200, seed=3), task(200, seed=4)
    learner = ContinualLearner(SharedNet(), strength=0.3)
    for name, data in (("first", first), ("second", second)):
        print(f"{name} task")
        learner.learn(*data, epochs=10)
    print(f"first {learner.accuracy(*first):.3f}, second {learner.accuracy(*second):.3f}")


if __name__ == "__main__":
    main()
