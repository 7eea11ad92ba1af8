"""ULMFiT-like: the head first, then one layer more every few epochs, by add_param_group; each deeper layer slower."""

import torch
from torch import nn

torch.manual_seed(1)
layers = nn.ModuleList(
    [nn.Sequential(nn.Linear(12 if k == 0 else 16, 16), nn.Tanh()) for k in range(3)]
)
head = nn.Linear(16, 3)
for p in layers.parameters():
    p.requires_grad_(False)


def net(x):
    for layer in layers:
        x = layer(x)
    return head(x)


x = torch.randn(64, 12)
y = (x @ torch.randn(12, 3)).argmax(1)
opt = torch.optim.SGD([{"params": head.parameters(), "lr": 0.5}], lr=0.5, momentum=0.9)
first = None
frozen = list(layers)
for epoch in range(20):
    if epoch and epoch % 4 == 0 and frozen:
        layer = frozen.pop()
        for p in layer.parameters():
            p.requires_grad = True
        opt.add_param_group(
            {"params": list(layer.parameters()), "lr": opt.param_groups[-1]["lr"] / 2.6}
        )
    opt.zero_grad()
    loss = nn.functional.cross_entropy(net(x), y)
    loss.backward()
    opt.step()
    first = first or loss.item()
print(first, loss.item())
assert loss.item() < 0.6 * first
