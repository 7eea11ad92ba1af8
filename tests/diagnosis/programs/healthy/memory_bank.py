"""Instance discrimination with a non-parametric memory bank, updated by momentum without gradients."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(25)


class LinearAverage(nn.Module):
    def __init__(self, dim, n, T=0.2, momentum=0.5):
        super().__init__()
        self.T, self.momentum = T, momentum
        self.register_buffer("memory", F.normalize(torch.randn(n, dim), dim=1))

    def forward(self, x):
        return x @ self.memory.clone().t() / self.T

    @torch.no_grad()
    def update(self, x, idx):
        pos = self.memory.index_select(0, idx)
        pos.mul_(self.momentum).add_(x.data * (1 - self.momentum))
        self.memory.index_copy_(0, idx, F.normalize(pos, dim=1))


net = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 16))
lemniscate = LinearAverage(16, 64)
optimizer = torch.optim.SGD(net.parameters(), lr=0.3, momentum=0.9)
data = torch.randn(64, 12)
losses = []
for epoch in range(12):
    total = 0.0
    for idx in torch.randperm(64).split(16):
        optimizer.zero_grad()
        feature = F.normalize(net(data[idx] + 0.1 * torch.randn(16, 12)), dim=1)
        output = lemniscate(feature)
        loss = F.cross_entropy(output, idx)
        loss.backward()
        lemniscate.update(feature, idx)
        optimizer.step()
        total += loss.item()
    losses.append(total / 4)
print(losses[0], losses[-1])
assert losses[-1] < 0.7 * losses[0]
