"""A small GAN for points in clusters, its layers scaled so that all learn at an equal rate."""
# symptom: none | words: nn.parameter, forward, new parameter, leaf

import torch
import torch.nn.functional as F
from torch import nn


class EqualLinear(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = (2 / inputs) ** 0.5

    def forward(self, x):
        scaled = nn.Parameter(self.weight * self.scale)  # cause
        return F.linear(x, scaled, self.bias)


class Generator(nn.Module):
    def __init__(self, noise=4, width=32):
        super().__init__()
        self.noise = noise
        self.layers = nn.Sequential(
            EqualLinear(noise, width), nn.LeakyReLU(0.2), EqualLinear(width, 2)
        )

    def forward(self, count):
        return self.layers(torch.randn(count, self.noise))


class Critic(nn.Sequential):
    def __init__(self, width=32):
        super().__init__(EqualLinear(2, width), nn.LeakyReLU(0.2), EqualLinear(width, 1))


def clusters(count):
    middle = torch.tensor([[2.0, 0.0], [3.0, 2.0], [4.0, 0.0]])
    return middle[torch.randint(0, 3, (count,))] + 0.2 * torch.randn(count, 2)


class Duel:
    def __init__(self, lr=5e-3):
        self.generator, self.critic = Generator(), Critic()
        self.move_g = torch.optim.Adam(self.generator.parameters(), lr=lr, betas=(0.5, 0.99))
        self.move_c = torch.optim.Adam(self.critic.parameters(), lr=lr, betas=(0.5, 0.99))

    def teach_critic(self, count=64):
        with torch.no_grad():
            drawn = self.generator(count)
        self.move_c.zero_grad()
        loss = F.softplus(-self.critic(clusters(count))) + F.softplus(self.critic(drawn))
        loss.mean().backward()
        self.move_c.step()

    def teach_generator(self, count=64):
        self.move_g.zero_grad()
        loss = F.softplus(-self.critic(self.generator(count))).mean()
        loss.backward()
        self.move_g.step()

    @torch.no_grad()
    def distance(self, count=256):
        a, b = clusters(count), self.generator(count)
        return (
            2 * torch.cdist(a, b).mean() - torch.cdist(a, a).mean() - torch.cdist(b, b).mean()
        ).item()


def main():
    torch.manual_seed(260)
    duel = Duel()
    for round_ in range(151):
        duel.teach_critic()
        duel.teach_generator()
        if round_ % 50 == 0:
            print(f"round {round_}: distance of the two sets {duel.distance():.3f}")


if __name__ == "__main__":
    main()
