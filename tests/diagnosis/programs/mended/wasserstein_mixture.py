"""Wasserstein adversaries with a gradient penalty on a mixture of five clusters."""

import torch
from torch import nn


class Generator(nn.Module):
    def __init__(self, noise=4, width=32):
        super().__init__()
        self.noise = noise
        self.layers = nn.Sequential(nn.Linear(noise, width), nn.ReLU(), nn.Linear(width, 2))

    def forward(self, n):
        return self.layers(torch.randn(n, self.noise))


class Critic(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2, width),
            nn.Tanh(),
            nn.Linear(width, width),
            nn.Tanh(),
            nn.Linear(width, 1, bias=False),
        )

    def forward(self, points):
        return self.layers(points).squeeze(1)


def slope_penalty(critic, real, fake):
    """Mean squared distance of the critic's slope from 1, between real and generated points."""
    share = torch.rand(len(real), 1)
    between = (share * real + (1 - share) * fake).requires_grad_()
    score = critic(between).sum()
    (slope,) = torch.autograd.grad(score, between, create_graph=True)
    return (slope.norm(dim=1) - 1).pow(2).mean()


def clusters(n):
    angle = 6.2832 * torch.randint(0, 5, (n,)) / 5
    return torch.stack([angle.cos(), angle.sin()], dim=1) + 0.1 * torch.randn(n, 2)


def critic_update(critic, generator, optimizer, batch=48, weight=5.0):
    real = clusters(batch)
    with torch.no_grad():
        fake = generator(batch)
    distance = critic(real).mean() - critic(fake).mean()
    penalty = slope_penalty(critic, real, fake)
    optimizer.zero_grad()
    (weight * penalty - distance).backward()
    optimizer.step()
    return distance.item(), penalty.item()


def main():
    torch.manual_seed(17)
    generator, critic = Generator(), Critic()
    generator_optimizer = torch.optim.Adam(generator.parameters(), lr=2e-3, betas=(0.0, 0.9))
    critic_optimizer = torch.optim.Adam(critic.parameters(), lr=4e-3, betas=(0.0, 0.9))
    for step in range(80):
        for _ in range(3):
            distance, penalty = critic_update(critic, generator, critic_optimizer)
        generator_optimizer.zero_grad()
        loss = -critic(generator(48)).mean()
        loss.backward()
        generator_optimizer.step()
        if step % 16 == 0:
            print(f"step {step}: distance {distance:.3f}, penalty {penalty:.3f}")


if __name__ == "__main__":
    main()
