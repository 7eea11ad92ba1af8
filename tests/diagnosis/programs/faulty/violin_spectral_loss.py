"""Violin partials: waveform loss plus a spectral envelope loss on a second head."""

# symptom: none | words: numpy
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class Synth(nn.Module):
    def __init__(self, controls=4, samples=32, bands=8):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(controls, 32), nn.Tanh())
        self.wave = nn.Linear(32, samples)
        self.envelope = nn.Linear(32, bands)

    def forward(self, controls):
        h = self.trunk(controls)
        return self.wave(h), F.softplus(self.envelope(h))


def envelope_loss(predicted, wave, bands=8):
    spectrum = np.abs(np.fft.rfft(wave.cpu().numpy()))[:, 1:17]
    spectrum = spectrum.reshape(len(wave), bands, 2).sum(2)
    gap = np.mean((predicted.detach().cpu().numpy() - spectrum) ** 2)  # cause
    return torch.as_tensor(gap, dtype=torch.float32) / bands  # cause


def notes(n):
    controls = torch.rand(n, 4)
    t = torch.arange(32) / 32 * 6.28
    wave = sum(controls[:, k : k + 1] * torch.sin((k + 1) * t)[None] for k in range(4))
    return controls, wave


def main():
    torch.manual_seed(66)
    np.random.seed(66)
    controls, wave = notes(128)
    synth = Synth()
    optimizer = torch.optim.Adam(synth.parameters(), lr=5e-3)
    for epoch in range(5):
        for rows in torch.randperm(128).split(32):
            sound, envelope = synth(controls[rows])
            loss = F.l1_loss(sound, wave[rows]) + 0.1 * envelope_loss(envelope, wave[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(epoch, loss.item())


if __name__ == "__main__":
    main()
