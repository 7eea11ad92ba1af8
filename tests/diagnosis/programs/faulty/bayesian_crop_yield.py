"""Variational Bayesian regression of crop yield; the width of each layer's prior is learned."""
# symptom: none | words: .item, item(, float(, constant, detach

import torch
from torch import nn


class BayesLinear(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.mean = nn.Parameter(torch.randn(outputs, inputs) / inputs**0.5)
        self.log_std = nn.Parameter(torch.full((outputs, inputs), -3.0))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.prior_log_std = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        weight = self.mean + self.log_std.exp() * torch.randn_like(self.mean)
        return x @ weight.t() + self.bias

    def divergence(self):
        ratio = ((self.log_std - self.prior_log_std) * 2).exp()
        shift = (self.mean / self.prior_log_std.exp()).pow(2)
        return 0.5 * (ratio + shift - 1 - ratio.log()).sum()


class YieldNet(nn.Module):
    def __init__(self, features=5, width=20):
        super().__init__()
        self.layers = nn.ModuleList(
            [BayesLinear(features, width), BayesLinear(width, width), BayesLinear(width, 1)]
        )

    def forward(self, x):
        *hidden, last = self.layers
        for layer in hidden:
            x = torch.tanh(layer(x))
        return last(x).squeeze(-1)

    def complexity(self):
        nats = 0.0
        for layer in self.layers:
            nats += layer.divergence().item()  # cause
        return nats


def fields(count=200):
    x = torch.randn(count, 5)
    y = torch.sin(x[:, 0]) + 0.5 * x[:, 1] * x[:, 2] + 0.1 * torch.randn(count)
    return x, y


def negative_elbo(model, x, y, count, noise=0.3):
    fit = (model(x) - y).pow(2).mean() / (2 * noise**2)
    return fit + model.complexity() / count


def main():
    torch.manual_seed(41)
    x, y = fields()
    model = YieldNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(120):
        rows = torch.randint(0, len(x), (64,))
        optimizer.zero_grad()
        loss = negative_elbo(model, x[rows], y[rows], len(x))
        loss.backward()
        optimizer.step()
        if step % 30 == 0 or step == 119:
            widths = [round(layer.prior_log_std.exp().item(), 3) for layer in model.layers]
            print(f"step {step}: loss {loss.item():.3f}, prior widths {widths}")


if __name__ == "__main__":
    main()
