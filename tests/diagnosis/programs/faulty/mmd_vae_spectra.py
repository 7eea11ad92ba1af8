"""Variational autoencoder of emission spectra whose codes are matched to the prior by MMD."""
# symptom: none | words: rsample, .sample, sample(, reparameter

import torch
from torch import nn
from torch.distributions import Normal


class SpectrumVAE(nn.Module):
    def __init__(self, channels=24, width=32, latent=2):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(channels, width), nn.Tanh())
        self.location = nn.Linear(width, latent)
        self.log_scale = nn.Linear(width, latent)
        self.decoder = nn.Sequential(
            nn.Linear(latent, width), nn.Tanh(), nn.Linear(width, channels)
        )

    def posterior(self, spectrum):
        hidden = self.encoder(spectrum)
        return Normal(self.location(hidden), self.log_scale(hidden).clamp(-4, 1).exp())

    def forward(self, spectrum):
        code = self.posterior(spectrum).sample()  # cause
        return self.decoder(code), code


def kernel(a, b):
    return torch.exp(-torch.cdist(a, b).pow(2) / a.shape[1]).mean()


def discrepancy(code):
    prior = torch.randn(len(code), code.shape[1])
    return kernel(code, code) + kernel(prior, prior) - 2 * kernel(code, prior)


class Experiment:
    def __init__(self, spectra, batch=40):
        self.spectra, self.batch = spectra, batch
        self.model = SpectrumVAE(spectra.shape[1])
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-2)

    def loss(self, spectra):
        rebuilt, code = self.model(spectra)
        return (rebuilt - spectra).pow(2).mean() + 0.5 * discrepancy(code)

    def run(self, epochs):
        for epoch in range(epochs):
            total = 0.0
            for rows in torch.randperm(len(self.spectra)).split(self.batch):
                loss = self.loss(self.spectra[rows])
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                total += loss.item() * len(rows)
            if epoch % 3 == 0:
                print(f"epoch {epoch}: {total / len(self.spectra):.4f}")


def lines(count=200, channels=24):
    position = 4 + 16 * torch.rand(count, 1)
    height = 0.5 + 1.5 * torch.rand(count, 1)
    axis = torch.arange(channels)
    return height * torch.exp(-((axis - position) ** 2) / 8) + 0.02 * torch.randn(count, channels)


if __name__ == "__main__":
    torch.manual_seed(104)
    Experiment(lines()).run(epochs=13)
