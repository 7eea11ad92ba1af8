"""Strength of concrete from its mixture: a regression with a decaying learning rate."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class StrengthModel:
    def __init__(self, features, lr=1e-2):
        self.network = nn.Sequential(
            nn.Linear(features, 32), nn.SiLU(), nn.Linear(32, 16), nn.SiLU(), nn.Linear(16, 1)
        )
        self.criterion = nn.SmoothL1Loss()
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=lr)
        self.schedule = torch.optim.lr_scheduler.StepLR(self.optimizer, step_size=2, gamma=0.4)

    def batch(self, mixture, strength):
        predicted = self.network(mixture).squeeze(1)
        loss = self.criterion(predicted, strength)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def fit(self, loader, epochs):
        for epoch in range(epochs):
            losses = [self.batch(mixture, strength) for mixture, strength in loader]
            self.schedule.step()
            print(f"epoch {epoch}: {sum(losses) / len(losses):.4f}")
        return self

    @torch.no_grad()
    def predict(self, mixture):
        return self.network(mixture).squeeze(1)


def mixtures(n):
    """Cement, water, slag, ash and age, standardised."""
    x = torch.randn(n, 5)
    strength = 1.2 * x[:, 0] - 0.9 * x[:, 1] + 0.8 * torch.tanh(x[:, 4]) + 0.3 * x[:, 2] * x[:, 3]
    return x, strength + 0.1 * torch.randn(n)


def main():
    torch.manual_seed(88)
    loader = DataLoader(TensorDataset(*mixtures(320)), batch_size=20, shuffle=True)
    model = StrengthModel(features=5).fit(loader, epochs=10)
    mixture, strength = mixtures(100)
    error = (model.predict(mixture) - strength).abs().mean()
    print(f"mean error on new mixtures {error:.4f}")


if __name__ == "__main__":
    main()
