"""Classification of texture tiles; a batch is worked through in micro-batches to save memory."""
# symptom: lost | words: zero_grad, accumulat, cleared, zeroed, micro-batch

import torch
import torch.nn.functional as F
from torch import nn


def tiles(n, size=8):
    label = torch.randint(0, 4, (n,))
    row, column = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    patterns = torch.stack([row % 2, column % 2, (row + column) % 2, (row // 2) % 2]).float()
    return patterns[label][:, None] - 0.5 + 0.6 * torch.randn(n, 1, size, size), label


def build():
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.GroupNorm(2, 8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8 * 16, 4),
    )


def add_gradients(model, images, labels, batch_size):
    """Backward pass of one micro-batch; its share of the loss of the batch is returned."""
    model.zero_grad()  # cause
    loss = F.cross_entropy(model(images), labels, reduction="sum") / batch_size
    loss.backward()
    return loss.item()


def train_epoch(model, optimizer, images, labels, batch_size=48, micro=12):
    model.train()
    losses = []
    for batch in torch.randperm(len(labels)).split(batch_size):
        loss = 0.0
        for rows in batch.split(micro):
            loss += add_gradients(model, images[rows], labels[rows], len(batch))
        optimizer.step()
        losses.append(loss)
    return sum(losses) / len(losses)


@torch.no_grad()
def accuracy(model, images, labels):
    model.eval()
    return (model(images).argmax(1) == labels).float().mean().item()


def main():
    torch.manual_seed(77)
    images, labels = tiles(240)
    held_out = tiles(120)
    model = build()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for epoch in range(8):
        loss = train_epoch(model, optimizer, images, labels)
        print(f"epoch {epoch}: loss {loss:.4f} held out {accuracy(model, *held_out):.3f}")


if __name__ == "__main__":
    main()
