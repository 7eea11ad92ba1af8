"""DCGAN on small pictures of blobs, shaped as the tutorial: two backwards for D, one for G."""

import torch
import torch.nn as nn
import torch.optim as optim

batch_size, nz, ngf, ndf = 32, 8, 8, 8


def weights_init(m):
    name = m.__class__.__name__
    if "Conv" in name:
        nn.init.normal_(m.weight.data, 0.0, 0.02)
    elif "BatchNorm" in name:
        nn.init.normal_(m.weight.data, 1.0, 0.02)
        nn.init.constant_(m.bias.data, 0)


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(nz, ngf * 2, 4, 1, 0, bias=False),
            nn.BatchNorm2d(ngf * 2),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf * 2, ngf, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ngf),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf, 1, 4, 2, 1, bias=False),
            nn.Tanh(),
        )

    def forward(self, x):
        return self.main(x)


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(1, ndf, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(ndf, ndf * 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ndf * 2),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(ndf * 2, 1, 4, 1, 0, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x):
        return self.main(x)


def blobs(n, size=16):
    axis = torch.linspace(-1, 1, size)
    center = torch.rand(n, 2, 1, 1) - 0.5
    distance = (axis.view(1, 1, -1) - center[:, 0]) ** 2 + (axis.view(1, -1, 1) - center[:, 1]) ** 2
    return (2 * torch.exp(-distance / 0.1) - 1).unsqueeze(1)


def main():
    torch.manual_seed(999)
    loader = torch.utils.data.DataLoader(blobs(256), batch_size=batch_size, shuffle=True)
    netG, netD = Generator().apply(weights_init), Discriminator().apply(weights_init)
    criterion = nn.BCELoss()
    fixed_noise = torch.randn(16, nz, 1, 1)
    real_label, fake_label = 1.0, 0.0
    optimizerD = optim.Adam(netD.parameters(), lr=2e-3, betas=(0.5, 0.999))
    optimizerG = optim.Adam(netG.parameters(), lr=2e-3, betas=(0.5, 0.999))

    for epoch in range(4):
        for i, real in enumerate(loader):
            # (1) Update D: maximize log(D(x)) + log(1 - D(G(z)))
            netD.zero_grad()
            label = torch.full((len(real),), real_label)
            errD_real = criterion(netD(real).view(-1), label)
            errD_real.backward()

            fake = netG(torch.randn(len(real), nz, 1, 1))
            label.fill_(fake_label)
            errD_fake = criterion(netD(fake.detach()).view(-1), label)
            errD_fake.backward()
            errD = errD_real + errD_fake
            optimizerD.step()

            # (2) Update G: maximize log(D(G(z)))
            netG.zero_grad()
            label.fill_(real_label)
            output = netD(fake).view(-1)
            errG = criterion(output, label)
            errG.backward()
            optimizerG.step()
            if i % 4 == 0:
                print(f"[{epoch}/4][{i}] Loss_D {errD.item():.4f} Loss_G {errG.item():.4f}")
    with torch.no_grad():
        print(f"mean of fakes {netG(fixed_noise).mean():.3f}, of reals {loader.dataset.mean():.3f}")


if __name__ == "__main__":
    main()
