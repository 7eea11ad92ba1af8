"""WGAN-GP on a ring of Gaussians: the gradient penalty is differentiated a second time."""

import math

import torch
from torch import autograd, nn, optim

DIM, BATCH, CRITIC_ITERS, LAMBDA = 32, 64, 3, 0.1


def ring(generator):
    while True:
        angle = torch.randint(0, 8, (BATCH,), generator=generator) * (2 * math.pi / 8)
        points = torch.stack([angle.cos(), angle.sin()], dim=1) * 2
        yield points + 0.05 * torch.randn(BATCH, 2, generator=generator)


def calc_gradient_penalty(critic, real, fake):
    alpha = torch.rand(len(real), 1).expand(real.size())
    interpolates = alpha * real + (1 - alpha) * fake
    interpolates.requires_grad_(True)
    scores = critic(interpolates)
    gradients = autograd.grad(
        outputs=scores,
        inputs=interpolates,
        grad_outputs=torch.ones(scores.size()),
        create_graph=True,
        retain_graph=True,
        only_inputs=True,
    )[0]
    return ((gradients.norm(2, dim=1) - 1) ** 2).mean() * LAMBDA


torch.manual_seed(1)
data = ring(torch.Generator().manual_seed(4))
netG = nn.Sequential(
    nn.Linear(2, DIM), nn.ReLU(True), nn.Linear(DIM, DIM), nn.ReLU(True), nn.Linear(DIM, 2)
)
netD = nn.Sequential(
    nn.Linear(2, DIM),
    nn.LeakyReLU(0.2),
    nn.Linear(DIM, DIM),
    nn.LeakyReLU(0.2),
    nn.Linear(DIM, 1, bias=False),
)
optimizerD = optim.Adam(netD.parameters(), lr=2e-3, betas=(0.5, 0.9))
optimizerG = optim.Adam(netG.parameters(), lr=2e-3, betas=(0.5, 0.9))

for iteration in range(60):
    for p in netD.parameters():  # set to False below, in the update of the generator
        p.requires_grad = True
    for _ in range(CRITIC_ITERS):
        real = next(data)
        with torch.no_grad():
            fake = netG(torch.randn(BATCH, 2))
        netD.zero_grad()
        D_real, D_fake = netD(real).mean(), netD(fake).mean()
        gradient_penalty = calc_gradient_penalty(netD, real, fake)
        D_cost = D_fake - D_real + gradient_penalty
        D_cost.backward()
        optimizerD.step()

    for p in netD.parameters():  # to avoid computation
        p.requires_grad = False
    netG.zero_grad()
    G_cost = -netD(netG(torch.randn(BATCH, 2))).mean()
    G_cost.backward()
    optimizerG.step()
    if iteration % 15 == 0:
        wasserstein = (D_real - D_fake).item()
        print(f"{iteration}: W {wasserstein:.4f} penalty {gradient_penalty.item():.4f}")

with torch.no_grad():
    print(f"mean radius {netG(torch.randn(512, 2)).norm(dim=1).mean():.3f}")
