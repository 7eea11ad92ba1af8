"""Each parameter has an optimizer of its own, which steps in a hook within the backward."""

import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, tokens=8, channels=16, classes=4):
        super().__init__()
        self.embed = nn.Linear(3, channels)
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.token_mlp = nn.Sequential(nn.Linear(tokens, 16), nn.GELU(), nn.Linear(16, tokens))
        self.channel_mlp = nn.Sequential(
            nn.Linear(channels, 32), nn.GELU(), nn.Linear(32, channels)
        )
        self.head = nn.Linear(channels, classes)

    def forward(self, x):
        x = self.embed(x)
        x = x + self.token_mlp(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        x = x + self.channel_mlp(self.norm2(x))
        return self.head(x.mean(dim=1))


def attach(model, lr):
    # Instead of having just *one* optimizer, we will have a dict of optimizers for every parameter
    optimizer_dict = {p: torch.optim.AdamW([p], lr=lr, foreach=False) for p in model.parameters()}

    # Define our hook, which will call the optimizer step() and zero_grad()
    def optimizer_hook(parameter) -> None:
        optimizer_dict[parameter].step()
        optimizer_dict[parameter].zero_grad()

    # Register the hook onto every parameter
    for p in model.parameters():
        p.register_post_accumulate_grad_hook(optimizer_hook)


def clouds(n):
    """Sets of points, of which the class is where their spread is largest."""
    label = torch.randint(0, 4, (n,))
    scale = torch.tensor([[2.0, 0.5, 0.5], [0.5, 2.0, 0.5], [0.5, 0.5, 2.0], [1.0, 1.0, 1.0]])
    return torch.randn(n, 8, 3) * scale[label].unsqueeze(1), label


def main():
    torch.manual_seed(88)
    model = Mixer()
    attach(model, lr=4e-3)
    points, labels = clouds(320)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(8):
        total = 0.0
        for rows in torch.randperm(320).split(40):
            loss = criterion(model(points[rows]), labels[rows])
            # no optimizer.step() or optimizer.zero_grad()
            loss.backward()
            total += loss.item()
        print(f"epoch {epoch} loss {total / 8:.4f}")


if __name__ == "__main__":
    main()
