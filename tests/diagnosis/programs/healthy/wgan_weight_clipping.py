"""WGAN with clipped weights on sines: the critic is clamped through .data."""

import torch
from torch import nn


class Critic(nn.Module):
    def __init__(self, length):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv1d(1, 8, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2),
            nn.Conv1d(8, 16, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2),
        )
        self.score = nn.Conv1d(16, 1, length // 4, bias=False)

    def forward(self, x):
        return self.score(self.features(x)).mean(0).view(1)


class Generator(nn.Module):
    def __init__(self, noise, length):
        super().__init__()
        self.start = nn.Linear(noise, 16 * (length // 4))
        self.grow = nn.Sequential(
            nn.ReLU(),
            nn.ConvTranspose1d(16, 8, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose1d(8, 1, 4, 2, 1),
            nn.Tanh(),
        )

    def forward(self, z):
        return self.grow(self.start(z).view(len(z), 16, -1))


def waves(n, length):
    phase = 6.28 * torch.rand(n, 1, 1)
    return 0.8 * torch.sin(torch.arange(length) * 0.6 + phase)


def main():
    torch.manual_seed(21)
    length, noise_size, clamp = 16, 6, 0.05
    netD, netG = Critic(length), Generator(noise_size, length)
    optimizerD = torch.optim.RMSprop(netD.parameters(), lr=2e-3)
    optimizerG = torch.optim.RMSprop(netG.parameters(), lr=2e-3)
    one = torch.FloatTensor([1])
    mone = one * -1
    for step in range(40):
        for p in netD.parameters():
            p.requires_grad = True
        for _ in range(5):
            # clamp parameters to a cube
            for p in netD.parameters():
                p.data.clamp_(-clamp, clamp)
            netD.zero_grad()
            errD_real = netD(waves(32, length))
            errD_real.backward(one)
            with torch.no_grad():
                fake = netG(torch.randn(32, noise_size))
            errD_fake = netD(fake)
            errD_fake.backward(mone)
            optimizerD.step()
        for p in netD.parameters():
            p.requires_grad = False
        netG.zero_grad()
        errG = netD(netG(torch.randn(32, noise_size)))
        errG.backward(one)
        optimizerG.step()
        if step % 10 == 0:
            print(f"[{step}] Loss_D {(errD_real - errD_fake).item():.5f} Loss_G {errG.item():.5f}")


if __name__ == "__main__":
    main()
