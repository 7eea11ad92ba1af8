"""Critic with spectral norm against a generator with weight norm, on a mixture in one dimension."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm


class Discriminator(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.l1 = spectral_norm(nn.Linear(1, width))
        self.l2 = spectral_norm(nn.Linear(width, width))
        self.l3 = spectral_norm(nn.Linear(width, 1))

    def forward(self, x):
        h = F.leaky_relu(self.l1(x), 0.1)
        return self.l3(F.leaky_relu(self.l2(h), 0.1))


class Generator(nn.Module):
    def __init__(self, z=4, width=32):
        super().__init__()
        self.z = z
        self.net = nn.Sequential(
            weight_norm(nn.Linear(z, width)),
            nn.ReLU(),
            weight_norm(nn.Linear(width, width)),
            nn.ReLU(),
            weight_norm(nn.Linear(width, 1)),
        )

    def forward(self, n):
        return self.net(torch.randn(n, self.z))


def mixture(n):
    return torch.where(torch.rand(n, 1) < 0.5, 1.0, 3.0) + 0.2 * torch.randn(n, 1)


if __name__ == "__main__":
    torch.manual_seed(60)
    disc, gen = Discriminator(), Generator()
    optim_disc = torch.optim.Adam(disc.parameters(), lr=5e-3, betas=(0.5, 0.9))
    optim_gen = torch.optim.Adam(gen.parameters(), lr=2e-3, betas=(0.5, 0.9))
    for step in range(101):
        for _ in range(2):  # hinge loss of the critic
            optim_disc.zero_grad()
            fake = gen(64).detach()
            real_part = F.relu(1.0 - disc(mixture(64))).mean()
            disc_loss = real_part + F.relu(1.0 + disc(fake)).mean()
            disc_loss.backward()
            optim_disc.step()
        optim_gen.zero_grad()
        gen_loss = -disc(gen(64)).mean()
        gen_loss.backward()
        optim_gen.step()
        if step % 25 == 0:
            print(f"{step}: disc {disc_loss.item():.4f} gen {gen_loss.item():.4f}")
    with torch.no_grad():
        sample = gen(1000)
    print(f"mean {sample.mean():.2f} of 2.00, deviation {sample.std():.2f} of 1.02")
