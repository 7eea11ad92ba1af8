"""Switch layer with top-1 routing, a capacity and a balancing loss: experts may miss a batch."""

import torch
import torch.nn.functional as F
from torch import nn


class SwitchFeedForward(nn.Module):
    def __init__(self, d_model, n_experts, capacity_factor=1.5):
        super().__init__()
        self.capacity_factor, self.n_experts = capacity_factor, n_experts
        self.switch = nn.Linear(d_model, n_experts)
        self.experts = nn.ModuleList(
            nn.Sequential(
                nn.Linear(d_model, 2 * d_model), nn.ReLU(), nn.Linear(2 * d_model, d_model)
            )
            for _ in range(n_experts)
        )

    def forward(self, x):
        route_prob = F.softmax(self.switch(x), dim=-1)
        route_prob_max, routes = route_prob.max(dim=-1)
        capacity = int(self.capacity_factor * len(x) / self.n_experts)
        final_output = torch.zeros_like(x)
        counts = torch.bincount(routes, minlength=self.n_experts)
        for i, expert in enumerate(self.experts):
            indexes = (routes == i).nonzero(as_tuple=True)[0][:capacity]  # the rest is dropped
            if len(indexes) == 0:
                continue
            final_output[indexes] = expert(x[indexes])
        final_output = final_output * route_prob_max.unsqueeze(1)
        fraction = counts / len(x)
        balance = self.n_experts * (fraction * route_prob.mean(dim=0)).sum()
        return x + final_output, balance, counts


class Net(nn.Module):
    def __init__(self, features, d_model=16, n_experts=6):
        super().__init__()
        self.embed = nn.Linear(features, d_model)
        self.switch = SwitchFeedForward(d_model, n_experts)
        self.out = nn.Linear(d_model, 1)

    def forward(self, x):
        h, balance, counts = self.switch(torch.tanh(self.embed(x)))
        return self.out(h).squeeze(-1), balance, counts


def piecewise(n):
    x = 2 * torch.rand(n, 3) - 1
    region = (x[:, 0] > 0).long() * 2 + (x[:, 1] > 0).long()
    slope = torch.tensor([2.0, -1.0, 0.5, -3.0])[region]
    return x, slope * x[:, 2]


def main():
    torch.manual_seed(61)
    x, y = piecewise(400)
    model = Net(3)
    optimizer = torch.optim.Adam(model.parameters(), lr=8e-3)
    for epoch in range(8):
        total, idle = 0.0, 0
        for rows in torch.randperm(400).split(16):
            predicted, balance, counts = model(x[rows])
            loss = F.mse_loss(predicted, y[rows]) + 0.01 * balance
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
            idle += (counts == 0).sum().item()
        print(f"epoch {epoch} loss {total / 25:.4f}, experts without a row {idle} of 150")


if __name__ == "__main__":
    main()
