"""Lottery ticket: masks re-applied after each step, gradients masked too, rewinding to the initial weights, unit-ball columns."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(19)
model = nn.Sequential(nn.Linear(10, 40), nn.ReLU(), nn.Linear(40, 1))
initial = copy.deepcopy(model.state_dict())
masks = {n: torch.ones_like(p) for n, p in model.named_parameters() if n.endswith("weight")}
x = torch.randn(128, 10)
y = torch.sin(x[:, :1]) + x[:, 1:2]


@torch.no_grad()
def apply_masks():
    for n, p in model.named_parameters():
        if n in masks:
            p.mul_(masks[n])


@torch.no_grad()
def project():
    w = model[0].weight
    norm = w.norm(dim=1, keepdim=True)
    w.div_(norm.clamp(min=1.0))


curve = []
for round_ in range(3):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for step in range(12):
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        for n, p in model.named_parameters():
            if n in masks:
                p.grad.data.mul_(masks[n])
        optimizer.step()
        apply_masks()
        project()
        curve.append(loss.item())
    if round_ < 2:
        for n, p in model.named_parameters():
            if n in masks:
                alive = p.detach().abs()[masks[n].bool()]
                masks[n] = (p.detach().abs() > alive.quantile(0.2)).float() * masks[n]
        model.load_state_dict(initial)
        apply_masks()
print(curve[0], curve[-1], {n: int(m.sum()) for n, m in masks.items()})
assert curve[-1] < 0.5 * curve[0]
