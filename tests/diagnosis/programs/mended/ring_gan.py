"""Adversarial network that learns points on a ring."""

import torch
import torch.nn.functional as F
from torch import nn

BETAS = (0.5, 0.99)


def mlp(inputs, outputs, width=32):
    return nn.Sequential(
        nn.Linear(inputs, width),
        nn.LeakyReLU(0.2),
        nn.Linear(width, width),
        nn.LeakyReLU(0.2),
        nn.Linear(width, outputs),
    )


def ring(n):
    angle = 6.2832 * torch.rand(n)
    return torch.stack([angle.cos(), angle.sin()], dim=1) + 0.05 * torch.randn(n, 2)


def judged(logits, real):
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


class Adversaries:
    def __init__(self, noise=2, lr=2e-3):
        self.noise = noise
        self.forger, self.critic = mlp(noise, 2), mlp(2, 1)
        self.forger_optimizer = torch.optim.Adam(self.forger.parameters(), lr=lr, betas=BETAS)
        self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), lr=3 * lr, betas=BETAS)

    def forge(self, n):
        return self.forger(torch.randn(n, self.noise))

    def critic_step(self, real):
        forged = self.forge(len(real)).detach()
        loss = judged(self.critic(real), True) + judged(self.critic(forged), False)
        self.critic_optimizer.zero_grad()
        loss.backward()
        self.critic_optimizer.step()
        return loss.item()

    def forger_step(self, n):
        loss = judged(self.critic(self.forge(n)), True)
        loss.backward()
        self.forger_optimizer.step()
        self.forger_optimizer.zero_grad()
        return loss.item()


def main():
    torch.manual_seed(628)
    pair = Adversaries()
    for step in range(240):
        critic, forger = pair.critic_step(ring(64)), pair.forger_step(64)
        if step % 40 == 0:
            with torch.no_grad():
                off = (pair.forge(256).norm(dim=1) - 1).abs().mean().item()
            print(f"{step}: critic {critic:.3f}, forger {forger:.3f}, off the ring {off:.3f}")


if __name__ == "__main__":
    main()
