"""Physics-informed network for u'' = -pi^2 sin(pi x): autograd.grad with create_graph, Adam then a little more with a smaller rate."""

import math

import torch
from torch import nn

torch.manual_seed(13)


class PINN(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(1, 20), nn.Tanh(), nn.Linear(20, 20), nn.Tanh(), nn.Linear(20, 1)
        )
        self.k = nn.Parameter(torch.tensor([0.5]))  # unknown coefficient, found from the data

    def forward(self, x):
        return self.net(x)

    def residual(self, x):
        x = x.clone().requires_grad_(True)
        u = self(x)
        u_x = torch.autograd.grad(u, x, torch.ones_like(u), create_graph=True)[0]
        u_xx = torch.autograd.grad(u_x, x, torch.ones_like(u_x), create_graph=True)[0]
        return u_xx + self.k * math.pi**2 * torch.sin(math.pi * x)


model = PINN()
xb, ub = torch.tensor([[0.0], [1.0]]), torch.zeros(2, 1)
xd = torch.linspace(0, 1, 9)[:, None]
ud = torch.sin(math.pi * xd)
history = {"loss": [], "k": []}
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(200):
    if epoch == 150:
        optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    optimizer.zero_grad()
    f = model.residual(torch.rand(32, 1))
    loss = (
        0.05 * (f**2).mean() + ((model(xb) - ub) ** 2).mean() + 5 * ((model(xd) - ud) ** 2).mean()
    )
    loss.backward()
    optimizer.step()
    history["loss"].append(loss.item())
    history["k"].append(model.k.item())
print(history["loss"][0], history["loss"][-1], history["k"][-1])
assert history["loss"][-1] < 0.5 * history["loss"][0]
