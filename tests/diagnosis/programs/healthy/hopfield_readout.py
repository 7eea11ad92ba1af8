"""Associative memory: closed-form ridge readout under no_grad between gradient steps on the encoder, optimizer per head."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(34)


class Memory(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 16))
        self.keys = nn.Parameter(torch.randn(10, 16))
        self.values = nn.Parameter(torch.randn(10, 2), requires_grad=False)  # solved, not learned
        self.aux = nn.Linear(16, 1)

    def attend(self, x):
        h = self.encoder(x)
        for _ in range(2):
            a = torch.softmax(h @ self.keys.t(), -1)
            h = a @ self.keys
        return a, h

    @torch.no_grad()
    def solve(self, x, y):
        a, _ = self.attend(x)
        gram = a.t() @ a + 1e-2 * torch.eye(10)
        self.values.copy_(torch.linalg.solve(gram, a.t() @ y))


net = Memory()
opt_main = torch.optim.Adam([*net.encoder.parameters(), net.keys], lr=1e-2)
opt_aux = torch.optim.SGD(net.aux.parameters(), lr=0.1)
x = torch.randn(96, 8)
y = torch.stack([x[:, 0].sign(), (x[:, 1] + x[:, 2]).tanh()], 1)
aux_y = x.norm(dim=1, keepdim=True)
log = []
for step in range(25):
    net.solve(x, y)
    a, h = net.attend(x)
    main = F.mse_loss(a @ net.values, y)
    aux = F.mse_loss(net.aux(h.detach()), aux_y)
    opt_main.zero_grad()
    opt_aux.zero_grad()
    main.backward()
    aux.backward()
    opt_main.step()
    opt_aux.step()
    log.append((main.item(), aux.item()))
print(log[0], log[-1])
assert log[-1][0] < log[0][0] and log[-1][1] < log[0][1]
