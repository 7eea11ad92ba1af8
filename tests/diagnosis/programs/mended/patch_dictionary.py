"""Dictionary of image patches: sparse codes, and atoms that are kept at unit length."""

import torch
import torch.nn.functional as F
from torch import nn


class SparseCoder(nn.Module):
    def __init__(self, pixels=16, atoms=24):
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(pixels, 32), nn.ReLU(), nn.Linear(32, atoms))
        self.atoms = nn.Linear(atoms, pixels, bias=False)
        self.rescale()

    def rescale(self):
        """Give each atom, a column of the matrix, unit length."""
        length = self.atoms.weight.data.norm(dim=0, keepdim=True)
        self.atoms.weight.data.div_(length.clamp_min(1e-6))

    def forward(self, patches):
        code = torch.relu(self.encode(patches))
        return self.atoms(code), code


class Fit:
    def __init__(self, coder, lr=5e-2, sparsity=0.02):
        self.coder, self.sparsity = coder, sparsity
        self.optimizer = torch.optim.Adam(coder.parameters(), lr=lr)

    def objective(self, patches):
        rebuilt, code = self.coder(patches)
        return F.mse_loss(rebuilt, patches) + self.sparsity * code.mean()

    def update(self, patches):
        loss = self.objective(patches)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.coder.rescale()
        return loss.item()


def patches_of_edges(n, size=4):
    """Patches that are darker on one side of a line at a random angle."""
    angle, offset = 6.28 * torch.rand(n, 1, 1), torch.rand(n, 1, 1) - 0.5
    axis = torch.linspace(-1, 1, size)
    distance = torch.cos(angle) * axis[:, None] + torch.sin(angle) * axis - offset
    return torch.tanh(4 * distance).flatten(1)


if __name__ == "__main__":
    torch.manual_seed(416)
    patches = patches_of_edges(320)
    fit = Fit(SparseCoder())
    for epoch in range(12):
        losses = [fit.update(patches[rows]) for rows in torch.randperm(320).split(32)]
        if epoch % 3 == 0:
            print(f"epoch {epoch}: {sum(losses) / len(losses):.4f}")
