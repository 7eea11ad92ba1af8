"""GradNorm: task weights learned from gradient norms, .grad of the weights replaced, weights renormalised after each step."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(23)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 24))
        self.heads = nn.ModuleList([nn.Linear(24, 1), nn.Linear(24, 1)])
        self.weights = nn.Parameter(torch.ones(2))

    def forward(self, x):
        h = torch.relu(self.backbone(x))
        return [head(h) for head in self.heads]


model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
x = torch.randn(96, 6)
ys = [x[:, :1].sin(), 5 * x[:, 1:2] * x[:, 2:3]]
initial, history, alpha = None, [], 0.12
for t in range(25):
    task_loss = torch.stack([F.mse_loss(o, y) for o, y in zip(model(x), ys)])
    weighted = task_loss * model.weights
    if t == 0:
        initial = task_loss.data.clone()
    total = weighted.sum()
    optimizer.zero_grad()
    total.backward(retain_graph=True)
    model.weights.grad.data = model.weights.grad.data * 0.0
    W = model.backbone[-1]
    norms = []
    for i in range(2):
        gygw = torch.autograd.grad(task_loss[i], W.parameters(), retain_graph=True)
        norms.append(torch.norm(torch.mul(model.weights[i], gygw[0])))
    norms = torch.stack(norms)
    ratio = task_loss.data / initial
    inverse = ratio / ratio.mean()
    constant = (norms.mean() * inverse**alpha).detach()
    grad_norm_loss = (norms - constant).abs().sum()
    model.weights.grad = torch.autograd.grad(grad_norm_loss, model.weights)[0]
    optimizer.step()
    model.weights.data = model.weights.data * (2 / model.weights.data.sum())
    history.append(task_loss.sum().item())
print(history[0], history[-1], model.weights.data)
assert history[-1] < history[0]
