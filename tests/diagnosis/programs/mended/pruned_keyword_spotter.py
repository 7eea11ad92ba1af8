"""A spotter of spoken keywords, pruned to a third of its weights and trained on."""

import torch
import torch.nn.functional as F
from torch import nn


class Spotter(nn.Module):
    def __init__(self, bands=8, frames=6, keywords=5):
        super().__init__()
        self.listen = nn.Linear(bands * frames, 40)
        self.think = nn.Linear(40, 24)
        self.keyword = nn.Linear(24, keywords)

    def forward(self, sound):
        hidden = F.relu(self.listen(sound.flatten(1)))
        return self.keyword(F.relu(self.think(hidden)))


class Pruner:
    """Keeps the largest weights of some layers and sets the others to zero."""

    def __init__(self, layers, keep):
        self.masks = {}
        for layer in layers:
            limit = layer.weight.detach().abs().flatten().quantile(1 - keep)
            self.masks[layer.weight] = (layer.weight.detach().abs() >= limit).float()

    @torch.no_grad()
    def apply(self):
        for weight, mask in self.masks.items():
            weight.mul_(mask)

    def density(self):
        kept = sum(int(weight.count_nonzero()) for weight in self.masks)
        return kept / sum(weight.numel() for weight in self.masks)


def sounds(count=200, bands=8, frames=6):
    keyword = torch.randint(0, 5, (count,))
    return 0.8 * torch.randn(5, bands, frames)[keyword] + torch.randn(count, bands, frames), keyword


def train(model, optimizer, sound, keyword, epochs, pruner=None):
    for epoch in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(sound)).split(40):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(sound[rows]), keyword[rows])
            loss.backward()
            optimizer.step()
            if pruner is not None:
                pruner.apply()
            total += loss.item()
        kept = "" if pruner is None else f", density {pruner.density():.2f}"
        print(f"epoch {epoch}: {total / 5:.4f}{kept}")


def main():
    torch.manual_seed(252)
    sound, keyword = sounds()
    model = Spotter()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-3)
    train(model, optimizer, sound, keyword, epochs=4)
    pruner = Pruner([model.listen, model.think], keep=1 / 3)
    pruner.apply()
    train(model, optimizer, sound, keyword, epochs=6, pruner=pruner)


if __name__ == "__main__":
    main()
