"""Toxicity of compounds from fingerprints, judged by four-fold cross-validation."""

import copy

import torch
from torch import nn


def make_model(bits=20):
    return nn.Sequential(
        nn.Linear(bits, 24), nn.ReLU(), nn.Linear(24, 12), nn.ReLU(), nn.Linear(12, 1)
    )


def compounds(count=160, bits=20):
    fingerprint = (torch.rand(count, bits) < 0.4).float()
    score = fingerprint[:, :5].sum(dim=1) - 2 * fingerprint[:, 5] * fingerprint[:, 6]
    return fingerprint, (score > 1.7).float().unsqueeze(1)


def folds(count, k):
    parts = torch.randperm(count).chunk(k)
    for number in range(k):
        yield torch.cat([p for i, p in enumerate(parts) if i != number]), parts[number]


def train_epoch(model, optimizer, criterion, x, y):
    model.train()
    total = 0.0
    for rows in torch.randperm(len(x)).split(30):
        loss = criterion(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(rows)
    return total / len(x)


@torch.no_grad()
def accuracy(model, x, y):
    model.eval()
    return ((model(x) > 0) == (y > 0.5)).float().mean().item()


def cross_validate(template, x, y, k=4, epochs=8):
    criterion = nn.BCEWithLogitsLoss()
    scores = []
    for number, (train, test) in enumerate(folds(len(x), k)):
        model = copy.deepcopy(template)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        losses = [
            train_epoch(model, optimizer, criterion, x[train], y[train]) for _ in range(epochs)
        ]
        scores.append(accuracy(model, x[test], y[test]))
        print(f"fold {number}: loss {losses[0]:.3f} to {losses[-1]:.3f}, right {scores[-1]:.2f}")
    return sum(scores) / k


if __name__ == "__main__":
    torch.manual_seed(162)
    fingerprint, toxic = compounds()
    print(f"mean accuracy {cross_validate(make_model(), fingerprint, toxic):.3f}")
