"""Residual blocks whose activations are computed again in the backward pass, dropout included."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint, checkpoint_sequential


class Block(nn.Module):
    def __init__(self, width, dropout):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        return x + self.dropout(self.down(torch.relu(self.up(self.norm(x)))))


class DeepNet(nn.Module):
    def __init__(self, features, width=24, depth=4, dropout=0.1):
        super().__init__()
        self.stem = nn.Linear(features, width)
        self.blocks = nn.ModuleList([Block(width, dropout) for _ in range(depth)])
        self.tail = nn.Sequential(*[Block(width, dropout) for _ in range(2)])
        self.head = nn.Linear(width, 1)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False) if self.training else block(x)
        if self.training:
            x = checkpoint_sequential(self.tail, 2, x, use_reentrant=False)
        else:
            x = self.tail(x)
        return self.head(x).squeeze(-1)


def main():
    torch.manual_seed(23)
    x = torch.randn(256, 5)
    y = torch.where(x[:, 0] > 0, x[:, 1], -x[:, 2]) + 0.1 * torch.randn(256)
    model = DeepNet(5)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for epoch in range(10):
        model.train()
        total = 0.0
        for rows in torch.randperm(256).split(64):
            loss = nn.functional.mse_loss(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        if epoch % 3 == 0:
            model.eval()
            with torch.no_grad():
                error = (model(x) - y).abs().mean()
            print(f"epoch {epoch} loss {total / 4:.4f} mean error {error:.4f}")


if __name__ == "__main__":
    main()
