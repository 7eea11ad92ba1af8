"""A large classifier of machine faults teaches a small one by its softened answers."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def mlp(*sizes):
    layers = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Distiller(nn.Module):
    """Holds both nets, so that they are saved together; only the student is to change."""

    def __init__(self, teacher, student, heat=3.0, share=0.7):
        super().__init__()
        self.teacher, self.student = teacher, student
        self.heat, self.share = heat, share
        self.teacher.requires_grad_(False)

    def forward(self, x, fault):
        answers, wanted = self.student(x), self.teacher(x)
        soft = F.kl_div(
            F.log_softmax(answers / self.heat, dim=1),
            F.log_softmax(wanted / self.heat, dim=1),
            reduction="batchmean",
            log_target=True,
        )
        hard = F.cross_entropy(answers, fault)
        return self.share * self.heat**2 * soft + (1 - self.share) * hard


def machines(count=240, sensors=9, faults=4):
    fault = torch.randint(0, faults, (count,))
    x = 1.2 * torch.randn(faults, sensors)[fault] + torch.randn(count, sensors)
    return DataLoader(TensorDataset(x, fault), batch_size=40, shuffle=True)


def optimise(parameters, loss_of, loader, epochs, name):
    optimizer = torch.optim.Adam(parameters, lr=5e-3)
    for epoch in range(epochs):
        total = 0.0
        for x, fault in loader:
            optimizer.zero_grad()
            loss = loss_of(x, fault)
            loss.backward()
            optimizer.step()
            total += loss.item()
        if epoch % 3 == 0:
            print(f"{name} epoch {epoch}: {total / len(loader):.4f}")


def main():
    torch.manual_seed(222)
    loader = machines()
    teacher, student = mlp(9, 48, 48, 4), mlp(9, 8, 4)
    optimise(
        list(teacher.parameters()),
        lambda x, fault: F.cross_entropy(teacher(x), fault),
        loader,
        epochs=7,
        name="teacher",
    )
    distiller = Distiller(teacher, student)
    learned = [p for p in distiller.parameters() if p.requires_grad]
    optimise(learned, distiller, loader, epochs=10, name="student")


if __name__ == "__main__":
    main()
