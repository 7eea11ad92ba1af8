"""Solubility of molecules by message passing, with a report of the gradients on the way."""
# symptom: doubled | words: twice, two backward, second backward, second time, retain_graph

import torch
import torch.nn.functional as F
from torch import nn


class MessagePassing(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.own, self.neighbour = nn.Linear(width, width), nn.Linear(width, width, bias=False)

    def forward(self, atoms, bonds):
        return torch.relu(self.own(atoms) + self.neighbour(bonds @ atoms))


class Solubility(nn.Module):
    def __init__(self, kinds=5, width=16, rounds=2):
        super().__init__()
        self.atom = nn.Embedding(kinds, width)
        self.rounds = nn.ModuleList(MessagePassing(width) for _ in range(rounds))
        self.readout = nn.Linear(width, 1)

    def forward(self, kinds, bonds):
        atoms = self.atom(kinds)
        for layer in self.rounds:
            atoms = layer(atoms, bonds)
        return self.readout(atoms.mean(dim=1)).squeeze(1)


def molecules(n, size=7, kinds=5):
    kind = torch.randint(0, kinds, (n, size))
    bond = (torch.rand(n, size, size) < 0.3).float().triu(1)
    bond = bond + bond.transpose(1, 2)
    polar = torch.tensor([1.0, -0.5, 0.2, -1.2, 0.6])[kind]
    return kind, bond / size, polar.mean(1) + 0.1 * (bond.sum(2) * polar).mean(1)


def gradient_report(model, loss):
    loss.backward(retain_graph=True)  # cause
    norms = {name: p.grad.norm().item() for name, p in model.named_parameters()}
    largest = max(norms, key=norms.get)
    return f"largest gradient {norms[largest]:.3f} at {largest}"


def main():
    torch.manual_seed(64)
    kind, bond, target = molecules(240)
    model = Solubility()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(8):
        total = 0.0
        for rows in torch.randperm(240).split(24):
            loss = F.mse_loss(model(kind[rows], bond[rows]), target[rows])
            optimizer.zero_grad()
            report = gradient_report(model, loss)
            loss.backward()  # cause
            optimizer.step()
            total += loss.item()
        print(f"epoch {epoch}: loss {total / 10:.4f}, {report}")


if __name__ == "__main__":
    main()
