"""Wind power at several sites; the head's width is known only at the first batch."""

# symptom: lost | words: optimizer, after the optimizer, lazy, created
import torch
import torch.nn.functional as F
from torch import nn


class SiteNet(nn.Module):
    def __init__(self, channels=3, width=8):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv1d(channels, width, 5, stride=2),
            nn.ReLU(),
            nn.Conv1d(width, width, 3, stride=2),
            nn.ReLU(),
        )
        self.head = None

    def forward(self, x):
        z = self.features(x).flatten(1)
        if self.head is None:
            self.head = nn.Sequential(  # cause
                nn.Linear(z.shape[1], 16), nn.ReLU(), nn.Linear(16, 1)
            )
        return self.head(z).squeeze(1)


def sites(n):
    wind = torch.rand(n, 1, 24) * 2
    x = torch.cat([wind, wind**2, torch.randn(n, 1, 24)], 1)
    return x, (wind[:, 0] ** 3).mean(1)


class Trainer:
    def __init__(self, model, lr):
        self.model = model
        self.optimizer = torch.optim.RMSprop(model.parameters(), lr=lr)  # cause
        self.history = []

    def run(self, x, y, epochs):
        for _ in range(epochs):
            for rows in torch.randperm(len(x)).split(32):
                self.optimizer.zero_grad()
                loss = F.mse_loss(self.model(x[rows]), y[rows])
                loss.backward()
                self.optimizer.step()
                self.history.append(loss.item())
        return self.history


def main():
    torch.manual_seed(5)
    x, y = sites(128)
    model = SiteNet()
    history = Trainer(model, 3e-3).run(x, y, 5)
    print(history[0], history[-1])


if __name__ == "__main__":
    main()
