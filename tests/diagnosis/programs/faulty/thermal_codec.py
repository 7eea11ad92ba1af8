"""A small codec for thermal camera rows: latents are rounded to integers."""

# symptom: zero | words: round
import torch
import torch.nn.functional as F
from torch import nn


class Codec(nn.Module):
    def __init__(self, pixels=24, latents=6, gain=3.0):
        super().__init__()
        self.analysis = nn.Sequential(nn.Linear(pixels, 32), nn.LeakyReLU(), nn.Linear(32, latents))
        self.synthesis = nn.Sequential(
            nn.Linear(latents, 32), nn.LeakyReLU(), nn.Linear(32, pixels)
        )
        self.gain = gain

    def quantise(self, latent):
        scaled = latent * self.gain
        return torch.round(scaled) / self.gain  # cause

    def forward(self, row):
        return self.synthesis(self.quantise(self.analysis(row)))


def rows_of_heat(n, pixels=24):
    centre = torch.rand(n, 1) * pixels
    spread = 2 + 3 * torch.rand(n, 1)
    return torch.exp(-((torch.arange(pixels)[None] - centre) ** 2) / (2 * spread**2))


def main():
    torch.manual_seed(52)
    data = rows_of_heat(160)
    codec = Codec()
    optimizer = torch.optim.Adam(codec.parameters(), lr=4e-3)
    best = float("inf")
    for epoch in range(6):
        codec.train()
        total = 0.0
        for rows in torch.randperm(160).split(32):
            loss = F.mse_loss(codec(data[rows]), data[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        best = min(best, total)
        print(f"{epoch:2d} {total / 5:.4f} best {best / 5:.4f}")


if __name__ == "__main__":
    main()
