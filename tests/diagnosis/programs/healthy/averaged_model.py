"""Stochastic weight averaging, and an exponential average beside it, by swa_utils."""

import torch
from torch import nn
from torch.optim.swa_utils import SWALR, AveragedModel, get_ema_multi_avg_fn, update_bn
from torch.utils.data import DataLoader, TensorDataset


class Regressor(nn.Module):
    def __init__(self, features=6, width=32):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(features, width, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Linear(width, width, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
        )
        self.head = nn.Linear(width, 1)

    def forward(self, x):
        return self.head(self.body(x)).squeeze(-1)


def friedman(n):
    x = torch.rand(n, 6)
    y = torch.sin(3.1416 * x[:, 0] * x[:, 1]) + 2 * (x[:, 2] - 0.5) ** 2 + x[:, 3] + 0.5 * x[:, 4]
    return x, y + 0.1 * torch.randn(n)


def test(model, x, y):
    model.eval()
    with torch.no_grad():
        return nn.functional.mse_loss(model(x), y).item()


def main():
    torch.manual_seed(18)
    loader = DataLoader(TensorDataset(*friedman(320)), batch_size=32, shuffle=True)
    held_out = friedman(200)
    model = Regressor()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    swa_model = AveragedModel(model)
    ema_model = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.95))
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=12)
    swa_start = 6
    swa_scheduler = SWALR(optimizer, anneal_strategy="linear", anneal_epochs=2, swa_lr=0.03)
    for epoch in range(12):
        model.train()
        total = 0.0
        for inputs, target in loader:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(inputs), target)
            loss.backward()
            optimizer.step()
            ema_model.update_parameters(model)
            total += loss.item()
        if epoch >= swa_start:
            swa_model.update_parameters(model)
            swa_scheduler.step()
        else:
            scheduler.step()
        if epoch % 3 == 0:
            print(f"epoch {epoch} loss {total / len(loader):.4f}")
    update_bn(loader, swa_model)
    update_bn(loader, ema_model)
    scores = [test(m, *held_out) for m in (model, swa_model, ema_model)]
    print("held out: last {:.4f}, swa {:.4f}, ema {:.4f}".format(*scores))


if __name__ == "__main__":
    main()
