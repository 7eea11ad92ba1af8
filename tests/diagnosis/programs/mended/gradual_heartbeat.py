"""Heartbeats classified with an encoder trained on unlabelled signals and released later."""

import torch
import torch.nn.functional as F
from torch import nn


def heartbeats(count, length=32):
    kind = torch.randint(0, 3, (count,))
    time = torch.linspace(0, 1, length)
    peak = 0.3 + 0.2 * kind[:, None] + 0.03 * torch.randn(count, 1)
    beat = torch.exp(-((time - peak) ** 2) / 0.01) - 0.3 * torch.exp(-((time - 0.6) ** 2) / 0.02)
    return (beat + 0.3 * torch.randn(count, length)).unsqueeze(1), kind


class Encoder(nn.Module):
    def __init__(self, width=12):
        super().__init__()
        self.a = nn.Conv1d(1, width, 5, padding=2)
        self.b = nn.Conv1d(width, width, 5, padding=2)

    def forward(self, signal):
        return F.elu(self.b(F.elu(self.a(signal))))


def pretrain(encoder, signal, steps):
    rebuild = nn.Conv1d(12, 1, 1)
    optimizer = torch.optim.Adam([*encoder.parameters(), *rebuild.parameters()], lr=5e-3)
    for _ in range(steps):
        kept = (torch.rand_like(signal) > 0.3).float()
        loss = F.mse_loss(rebuild(encoder(signal * kept)), signal)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"pretraining ends at {loss.item():.4f}")


class FineTuning:
    def __init__(self, encoder, release_at):
        self.encoder, self.release_at = encoder, release_at
        self.classify = nn.Sequential(nn.AvgPool1d(4), nn.Flatten(), nn.Linear(12 * 8, 3))
        encoder.requires_grad_(False)
        self.model = nn.Sequential(encoder, self.classify)
        chosen = filter(lambda p: p.requires_grad, self.model.parameters())
        self.optimizer = torch.optim.Adam(chosen, lr=5e-3)

    def before_epoch(self, epoch):
        if epoch == self.release_at:
            self.encoder.requires_grad_(True)
            self.optimizer.add_param_group({"params": self.encoder.parameters(), "lr": 1e-3})

    def fit(self, signal, kind, epochs):
        for epoch in range(epochs):
            self.before_epoch(epoch)
            total = 0.0
            for rows in torch.randperm(len(signal)).split(30):
                loss = F.cross_entropy(self.model(signal[rows]), kind[rows])
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                total += loss.item()
            print(f"epoch {epoch}: loss {total * 30 / len(signal):.4f}")


if __name__ == "__main__":
    torch.manual_seed(214)
    encoder = Encoder()
    pretrain(encoder, heartbeats(120)[0], steps=30)
    FineTuning(encoder, release_at=3).fit(*heartbeats(120), epochs=9)
