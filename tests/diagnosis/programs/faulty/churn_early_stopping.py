"""Which customers leave: training stops early and goes back to the best epoch."""
# symptom: wrong | words: state_dict, copy, clone, alias, same storage, same memory

import torch
import torch.nn.functional as F
from torch import nn


class EarlyStopping:
    def __init__(self, patience):
        self.patience, self.waited = patience, 0
        self.lowest, self.kept = float("inf"), None

    def should_stop(self, model, loss):
        if loss < self.lowest:
            self.lowest, self.waited = loss, 0
            self.kept = model.state_dict()  # cause
        else:
            self.waited += 1
        return self.waited >= self.patience

    def restore(self, model):
        model.load_state_dict(self.kept)


def customers(n):
    x = torch.randn(n, 10)
    leaving = (x[:, 0] - 0.8 * x[:, 1] + 0.9 * torch.randn(n) > 0).float()
    return x, leaving


@torch.no_grad()
def validate(model, x, y):
    model.eval()
    return F.binary_cross_entropy_with_logits(model(x).squeeze(1), y).item()


def fit(model, train, valid, epochs, stopping):
    x, y = train
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(epochs):
        model.train()
        for rows in torch.randperm(len(y)).split(20):
            loss = F.binary_cross_entropy_with_logits(model(x[rows]).squeeze(1), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        current = validate(model, *valid)
        if epoch % 4 == 0:
            print(f"epoch {epoch}: validation {current:.4f}")
        if stopping.should_stop(model, current):
            print(f"stopped after epoch {epoch}")
            break
    stopping.restore(model)


def main():
    torch.manual_seed(100)
    train, valid = customers(100), customers(200)
    model = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 1))
    stopping = EarlyStopping(patience=8)
    fit(model, train, valid, epochs=40, stopping=stopping)
    print(f"best {stopping.lowest:.4f}, restored {validate(model, *valid):.4f}")


if __name__ == "__main__":
    main()
