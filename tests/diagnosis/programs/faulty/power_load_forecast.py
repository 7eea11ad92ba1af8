"""Forecast of the electric load of the next hours in half precision."""
# symptom: wrong | words: unscale, scaled, scaler

import math

import torch
import torch.nn.functional as F
from torch import nn


class Forecaster(nn.Module):
    def __init__(self, history=24, horizon=6, width=32):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(history, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh()
        )
        self.out = nn.Linear(width, horizon)

    def forward(self, past):
        return self.out(self.layers(past))


class MixedPrecisionTrainer:
    def __init__(self, model, lr, max_norm):
        self.model, self.max_norm = model, max_norm
        self.optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
        self.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)

    def limit_gradients(self):
        nn.utils.clip_grad_norm_(self.model.parameters(), self.max_norm)  # cause
        self.scaler.unscale_(self.optimizer)  # cause

    def update(self, past, future):
        with torch.autocast("cpu", dtype=torch.float16):
            predicted = self.model(past)
        loss = F.mse_loss(predicted.float(), future)
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        self.limit_gradients()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss.item()


def load_curve(hours=600):
    hour = torch.arange(hours)
    daily = torch.sin(2 * math.pi * hour / 24) + 0.5 * torch.sin(4 * math.pi * hour / 24 + 1)
    weekly = 0.4 * (hour // 24 % 7 >= 5)
    return daily - weekly + 0.1 * torch.randn(hours)


def main():
    torch.manual_seed(240)
    windows = load_curve().unfold(0, 30, 3)
    trainer = MixedPrecisionTrainer(Forecaster(), lr=0.05, max_norm=0.5)
    for epoch in range(12):
        losses = [
            trainer.update(windows[rows, :24], windows[rows, 24:])
            for rows in torch.randperm(len(windows)).split(32)
        ]
        if epoch % 3 == 0:
            print(f"epoch {epoch}: {sum(losses) / len(losses):.4f}")


if __name__ == "__main__":
    main()
