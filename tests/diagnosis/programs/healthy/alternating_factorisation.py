"""Matrix factorisation; users and items are updated in turn, one optimizer for each block of one model."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)


class Factorisation(nn.Module):
    def __init__(self, users, items, rank):
        super().__init__()
        self.users = nn.Embedding(users, rank)
        self.items = nn.Embedding(items, rank)
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, u, i):
        return (self.users(u) * self.items(i)).sum(-1) + self.bias


truth = torch.randn(20, 3) @ torch.randn(3, 30)
u, i = torch.meshgrid(torch.arange(20), torch.arange(30), indexing="ij")
u, i, r = u.reshape(-1), i.reshape(-1), truth.reshape(-1)

model = Factorisation(20, 30, 4)
opt_users = torch.optim.Adam([*model.users.parameters(), model.bias], lr=0.1)
opt_items = torch.optim.Adam(model.items.parameters(), lr=0.1)

history = []
for epoch in range(20):
    for block, opt in (("users", opt_users), ("items", opt_items)):
        loss = F.mse_loss(model(u, i), r)
        model.zero_grad(set_to_none=True)
        loss.backward()
        opt.step()
        history.append(loss.item())
print(history[0], history[-1])
assert history[-1] < 0.3 * history[0]
