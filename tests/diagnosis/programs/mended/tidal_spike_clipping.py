"""Tidal turbine torque with heavy-tailed noise; gradients are clipped."""

# healthy
import torch
from torch import nn


class TorqueNet(nn.Module):
    def __init__(self, width=20):
        super().__init__()
        self.inner = nn.Linear(4, width)
        self.norm = nn.LayerNorm(width)
        self.outer = nn.Linear(width, 1)

    def forward(self, x):
        return self.outer(torch.tanh(self.norm(self.inner(x)))).squeeze(1)


def torque(n):
    x = torch.randn(n, 4)
    noise = torch.distributions.StudentT(1.5).sample((n,))
    return x, 10 * x[:, 0] * x[:, 1] + noise


def train(model, x, y, max_norm=0.5, epochs=4):
    params = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(params, lr=2e-3, momentum=0.9)
    for epoch in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            loss = ((model(x[rows]) - y[rows]) ** 2).mean()
            loss.backward()
            nn.utils.clip_grad_norm_(params, max_norm)
            optimizer.step()
            total += loss.item()
        print(f"epoch {epoch}: {total:.3f}")


if __name__ == "__main__":
    torch.manual_seed(90)
    train(TorqueNet(), *torque(160))
