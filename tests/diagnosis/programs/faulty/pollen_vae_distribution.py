"""A variational autoencoder of pollen shapes, with torch.distributions."""

# symptom: lost | words: rsample, sample
import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Normal, kl_divergence


class PollenVAE(nn.Module):
    def __init__(self, points=20, latent=3, width=24):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(points, width), nn.ELU())
        self.location = nn.Linear(width, latent)
        self.scale = nn.Linear(width, latent)
        self.decoder = nn.Sequential(nn.Linear(latent, width), nn.ELU(), nn.Linear(width, points))

    def forward(self, x):
        h = self.encoder(x)
        posterior = Normal(self.location(h), F.softplus(self.scale(h)) + 1e-3)
        z = posterior.sample()  # cause
        return self.decoder(z), posterior


def outlines(n, points=20):
    angle = torch.linspace(0, 6.28, points)[None]
    lobes = torch.randint(2, 4, (n, 1))
    return 1 + 0.4 * torch.cos(lobes * angle) + 0.05 * torch.randn(n, points)


def main():
    torch.manual_seed(77)
    data = outlines(160)
    vae = PollenVAE()
    prior = Normal(torch.zeros(3), torch.ones(3))
    optimizer = torch.optim.Adam(vae.parameters(), lr=5e-3)
    for epoch in range(5):
        for rows in torch.randperm(160).split(32):
            x = data[rows]
            decoded, posterior = vae(x)
            distortion = ((decoded - x) ** 2).sum(1).mean() * 10
            rate = kl_divergence(posterior, prior).sum(1).mean()
            loss = distortion + 0.1 * rate
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(epoch, distortion.item(), rate.item())


if __name__ == "__main__":
    main()
