"""Heartbeat windows: an autoencoder learns their shape, then a classifier builds on its encoder."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def heartbeats(n, length=32):
    kind = torch.randint(0, 3, (n,))
    time = torch.linspace(0, 1, length)
    centre = 0.35 + 0.12 * kind[:, None] + 0.03 * torch.randn(n, 1)
    width = torch.tensor([0.05, 0.1, 0.06])[kind][:, None]
    wave = torch.exp(-(((time - centre) / width) ** 2)) + 0.15 * torch.randn(n, length)
    return TensorDataset(wave[:, None], kind)


class Study:
    def __init__(self, code=8):
        self.encoder = nn.Sequential(
            nn.Conv1d(1, 6, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv1d(6, 8, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(64, code),
        )
        self.decoder = nn.Sequential(nn.Linear(code, 24), nn.ReLU(), nn.Linear(24, 32))
        self.classifier = nn.Linear(code, 3)

    def pretrain(self, beats, epochs, lr=5e-3):
        weights = [*self.encoder.parameters(), *self.decoder.parameters()]
        optimizer = torch.optim.Adam(weights, lr=lr)
        for epoch in range(epochs):
            total = 0.0
            for wave, _ in beats:
                optimizer.zero_grad()
                loss = F.mse_loss(self.decoder(self.encoder(wave)), wave.squeeze(1))
                loss.backward()
                optimizer.step()
                total += loss.item()
            print(f"pretrain {epoch}: {total / len(beats):.4f}")

    def finetune(self, beats, epochs, lr=0.5):
        groups = [
            {"params": self.classifier.parameters()},
            {"params": self.encoder.parameters(), "lr": lr / 5},
        ]
        optimizer = torch.optim.SGD(groups, lr=lr)
        for epoch in range(epochs):
            total = 0.0
            for wave, kind in beats:
                optimizer.zero_grad()
                loss = F.cross_entropy(self.classifier(self.encoder(wave)), kind)
                loss.backward()
                optimizer.step()
                total += loss.item()
            print(f"finetune {epoch}: {total / len(beats):.4f}")


def main():
    torch.manual_seed(61)
    study = Study()
    study.pretrain(DataLoader(heartbeats(160), batch_size=32, shuffle=True), epochs=5)
    study.finetune(DataLoader(heartbeats(120), batch_size=20, shuffle=True), epochs=8)


if __name__ == "__main__":
    main()
