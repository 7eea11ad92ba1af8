"""Power of a wind turbine, by a net with a memory-saving swish of learned slope."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class SwishFunction(torch.autograd.Function):
    """x · sigmoid(beta · x); only x and beta are kept for the backward pass."""

    @staticmethod
    def forward(ctx, x, beta):
        ctx.save_for_backward(x, beta)
        return x * torch.sigmoid(beta * x)

    @staticmethod
    def backward(ctx, grad):
        x, beta = ctx.saved_tensors
        s = torch.sigmoid(beta * x)
        slope = s * (1 - s)
        return grad * (s + beta * x * slope), (grad * x * x * slope).sum()


class Swish(nn.Module):
    def __init__(self):
        super().__init__()
        self.beta = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return SwishFunction.apply(x, self.beta)


def build(features=3, width=24):
    return nn.Sequential(
        nn.Linear(features, width), Swish(), nn.Linear(width, width), Swish(), nn.Linear(width, 1)
    )


def measurements(count=240):
    wind = 2.5 * torch.rand(count, 1)
    density = 1 + 0.1 * torch.randn(count, 1)
    yaw = 0.3 * torch.randn(count, 1)
    power = (density * (wind * yaw.cos()) ** 3).clamp(max=6.0) + 0.1 * torch.randn(count, 1)
    return DataLoader(
        TensorDataset(torch.cat([wind, density, yaw], dim=1), power), batch_size=40, shuffle=True
    )


def main():
    torch.manual_seed(111)
    loader, model, criterion = measurements(), build(), nn.HuberLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=8, gamma=0.5)
    for epoch in range(16):
        total = 0.0
        for x, power in loader:
            loss = criterion(model(x), power)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        schedule.step()
        if epoch % 5 == 0:
            slopes = [m.beta.item() for m in model if isinstance(m, Swish)]
            shown = ", ".join(f"{slope:.3f}" for slope in slopes)
            print(f"epoch {epoch}: loss {total / len(loader):.4f}, slopes {shown}")


if __name__ == "__main__":
    main()
