"""Whale flukes: class loss plus a batch-hard triplet loss on a projection."""

# symptom: none | words: no_grad
import torch
import torch.nn.functional as F
from torch import nn


class FlukeNet(nn.Module):
    def __init__(self, inputs=16, width=24, whales=6):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(inputs, width), nn.BatchNorm1d(width), nn.ReLU())
        self.project = nn.Linear(width, 8)
        self.classify = nn.Linear(width, whales)

    def forward(self, x):
        h = self.trunk(x)
        return self.classify(h), F.normalize(self.project(h), dim=1)


@torch.no_grad()  # cause
def batch_hard(embedding, whale):
    """Distance to the farthest of the same whale and to the nearest other."""
    distance = torch.cdist(embedding, embedding)  # cause
    same = whale[:, None] == whale[None]
    positive = distance.masked_fill(~same, 0.0).amax(1)
    negative = distance.masked_fill(same, 9.0).amin(1)
    return positive, negative


def triplet(embedding, whale, margin=0.4):
    positive, negative = batch_hard(embedding, whale)
    return F.relu(positive - negative + margin).mean()


def main():
    torch.manual_seed(73)
    centres = torch.randn(6, 16)
    whale = torch.randint(0, 6, (192,))
    fluke = centres[whale] + 0.8 * torch.randn(192, 16)
    net = FlukeNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for epoch in range(4):
        net.train()
        for rows in torch.randperm(192).split(48):
            logits, embedding = net(fluke[rows])
            loss = F.cross_entropy(logits, whale[rows]) + 0.5 * triplet(embedding, whale[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(epoch, loss.item())


if __name__ == "__main__":
    main()
