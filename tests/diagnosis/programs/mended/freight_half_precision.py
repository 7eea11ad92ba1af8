"""Freight delays with all weights in bfloat16 to save memory."""

# healthy
import torch
import torch.nn.functional as F
from torch import nn


class DelayNet(nn.Module):
    def __init__(self, inputs=10, width=32):
        super().__init__()
        self.norm = nn.LayerNorm(inputs)
        self.hidden = nn.Linear(inputs, width)
        self.out = nn.Linear(width, 1)
        for layer in (self.hidden, self.out):
            nn.init.uniform_(layer.weight, 0.25, 0.5)
            nn.init.constant_(layer.bias, 0.3)

    def forward(self, x):
        return self.out(torch.tanh(self.hidden(self.norm(x)))).squeeze(1)


def shipments(n):
    x = torch.randn(n, 10)
    return x, x[:, 0] + 0.5 * x[:, 1].abs()


def main():
    torch.manual_seed(55)
    x, delay = shipments(192)
    model = DelayNet()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.0)
    for epoch in range(4):
        model.train()
        total = 0.0
        for rows in torch.randperm(192).split(32):
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                predicted = model(x[rows])
            loss = F.mse_loss(predicted.float(), delay[rows])
            loss.backward()
            optimizer.step()
            total += loss.item() / 6
        print(f"epoch {epoch} loss {total:.5f}")


if __name__ == "__main__":
    main()
