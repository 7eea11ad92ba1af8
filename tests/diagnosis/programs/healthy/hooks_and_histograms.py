"""Features by forward hooks, tensor hooks that log, histograms and NaN checks of gradients, checkpointed middle."""

import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

torch.manual_seed(26)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 24), nn.Linear(24, 24), nn.Linear(24, 24)
        self.out = nn.Linear(24, 2)

    def middle(self, h):
        return F.gelu(self.b(h))

    def forward(self, x):
        h = F.gelu(self.a(x))
        h = checkpoint(self.middle, h, use_reentrant=False)
        return self.out(F.gelu(self.c(h)))


net = Net()
features, grads = {}, {}


def keep(name):
    def hook(module, inputs, output):
        features[name] = output
        if output.requires_grad:
            output.register_hook(lambda g: grads.__setitem__(name, g.norm().item()))

    return hook


net.a.register_forward_hook(keep("a"))
net.c.register_forward_hook(keep("c"))
opt = torch.optim.AdamW(net.parameters(), lr=1e-2)
x = torch.randn(96, 6)
y = (x[:, 0] * x[:, 1] > 0).long()
log = []
for step in range(30):
    loss = F.cross_entropy(net(x), y) + 1e-4 * features["c"].pow(2).mean()
    opt.zero_grad()
    loss.backward()
    stats = {}
    for name, p in net.named_parameters():
        if p.grad is not None:
            g = p.grad.detach().cpu().numpy()
            stats[name] = (float(abs(g).max()), torch.histc(p.grad, 8).tolist())
            if torch.isnan(p.grad).any() or torch.isinf(p.grad).any():
                raise RuntimeError(name)
    norm = math.sqrt(sum(p.grad.data.norm(2).item() ** 2 for p in net.parameters()))
    opt.step()
    features.clear()
    log.append((loss.item(), norm, dict(grads)))
print(log[0][0], log[-1][0])
assert log[-1][0] < 0.8 * log[0][0]
