"""Solubility of molecules by passing messages along bonds; biases are spared weight decay."""

import torch
from torch import nn


class Passing(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.message = nn.Linear(width, width)
        self.update = nn.GRUCell(width, width)

    def forward(self, atoms, source, target):
        sent = torch.relu(self.message(atoms[source]))
        received = torch.zeros_like(atoms).index_add(0, target, sent)
        return self.update(received, atoms)


class Solubility(nn.Module):
    def __init__(self, elements=5, width=16, rounds=2):
        super().__init__()
        self.element = nn.Embedding(elements, width)
        self.passing = nn.ModuleList(Passing(width) for _ in range(rounds))
        self.readout = nn.Linear(width, 1)

    def forward(self, batch):
        element, source, target, molecule, count = batch
        atoms = self.element(element)
        for layer in self.passing:
            atoms = layer(atoms, source, target)
        pooled = torch.zeros(count, atoms.shape[1]).index_add(0, molecule, atoms)
        return self.readout(pooled).squeeze(-1)


def decay_groups(model, decay):
    named = list(model.named_parameters())
    heavy = [value for name, value in named if not name.endswith(("bias", "bias_ih", "bias_hh"))]
    light = [value for name, value in named if name.endswith(("bias", "bias_ih", "bias_hh"))]
    return [{"params": heavy, "weight_decay": decay}, {"params": light, "weight_decay": 0.0}]


def molecules(count):
    """Chains of atoms in one large graph, with the number of its molecule for each atom."""
    sizes = torch.randint(3, 8, (count,))
    molecule = torch.repeat_interleave(torch.arange(count), sizes)
    element = torch.randint(0, 5, (len(molecule),))
    left = torch.arange(len(molecule) - 1)
    left = left[molecule[:-1] == molecule[1:]]
    source, target = torch.cat([left, left + 1]), torch.cat([left + 1, left])
    affinity = torch.tensor([0.5, -0.4, 0.8, -0.7, 0.1])[element]
    affinity = affinity.index_add(0, target, 0.3 * affinity[source])
    value = torch.zeros(count).index_add(0, molecule, affinity)
    return (element, source, target, molecule, count), value


def main():
    torch.manual_seed(271)
    model, criterion = Solubility(), nn.MSELoss()
    optimizer = torch.optim.AdamW(decay_groups(model, decay=0.01), lr=1e-2)
    for step in range(60):
        batch, value = molecules(32)
        loss = criterion(model(batch), value)
        model.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 15 == 0 or step == 59:
            print(f"step {step}: loss {loss.item():.4f}")


if __name__ == "__main__":
    main()
