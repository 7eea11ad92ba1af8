"""Adversarial profiles of pots; one batch of fakes serves both players."""

# symptom: none | words: detach
import torch
import torch.nn.functional as F
from torch import nn


def pots(n, points=16):
    height = torch.linspace(0, 1, points)
    belly = 0.3 + 0.5 * torch.rand(n, 1)
    return torch.sin(3.14 * height[None]) * belly + 0.2


class Potter(nn.Module):
    def __init__(self, noise=4, points=16):
        super().__init__()
        self.noise = noise
        self.net = nn.Sequential(nn.Linear(noise, 24), nn.ReLU(), nn.Linear(24, points))

    def sample(self, n):
        return self.net(torch.randn(n, self.noise))


def main():
    torch.manual_seed(11)
    potter = Potter()
    critic = nn.Sequential(nn.Linear(16, 24), nn.LeakyReLU(0.2), nn.Linear(24, 1))
    potter_optimizer = torch.optim.Adam(potter.parameters(), lr=2e-3, betas=(0.5, 0.99))
    critic_optimizer = torch.optim.Adam(critic.parameters(), lr=2e-3, betas=(0.5, 0.99))
    real = pots(256)
    for step in range(24):
        batch = real[torch.randint(0, 256, (32,))]
        fake = potter.sample(32).detach()  # cause
        critic_optimizer.zero_grad()
        d_loss = F.softplus(-critic(batch)).mean() + F.softplus(critic(fake.detach())).mean()
        d_loss.backward()
        critic_optimizer.step()

        potter_optimizer.zero_grad()
        g_loss = F.softplus(-critic(fake)).mean()  # cause
        g_loss.backward()
        potter_optimizer.step()
        if step % 8 == 0:
            print(step, d_loss.item(), g_loss.item())


if __name__ == "__main__":
    main()
