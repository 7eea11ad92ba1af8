"""Embeddings of plant measurements, drawn together around one learned centre per species."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def average(values):
    return torch.stack(values).mean()


class CentreLoss(nn.Module):
    """Mean squared distance of each sample from the centre of its own class."""

    def __init__(self, classes, width):
        super().__init__()
        self.centres = nn.Parameter(0.1 * torch.randn(classes, width))

    def forward(self, embedding, label):
        spread = []
        for k in label.unique():
            members = embedding[label == k]
            spread.append((members - self.centres[k]).pow(2).sum(dim=1).mean())
        return average(spread)


class Embedder(nn.Module):
    def __init__(self, features=7, width=8, classes=5):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(features, 32), nn.ReLU(), nn.Linear(32, width))
        self.classify = nn.Linear(width, classes)

    def forward(self, x):
        embedding = self.body(x)
        return embedding, self.classify(embedding)


def herbarium(count=200):
    label = torch.randint(0, 5, (count,))
    x = 1.5 * torch.randn(5, 7)[label] + torch.randn(count, 7)
    return DataLoader(TensorDataset(x, label), batch_size=40, shuffle=True)


def main():
    torch.manual_seed(19)
    loader = herbarium()
    model, compact = Embedder(), CentreLoss(5, 8)
    parameters = [*model.parameters(), *compact.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.05, momentum=0.8)
    for epoch in range(8):
        total = 0.0
        for x, label in loader:
            embedding, logits = model(x)
            loss = F.cross_entropy(logits, label) + 0.05 * compact(embedding, label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        print(f"epoch {epoch} loss {total / len(loader):.4f}")


if __name__ == "__main__":
    main()
