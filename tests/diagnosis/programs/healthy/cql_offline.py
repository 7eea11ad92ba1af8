"""Conservative Q-learning on a fixed data set, discrete actions, with a lagrange multiplier and behaviour cloning beside."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(9)
q = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 3))
q_target = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 3))
q_target.load_state_dict(q.state_dict())
q_target.requires_grad_(False).eval()
cloner = nn.Linear(4, 3)
cql_log_alpha = torch.zeros(1, requires_grad=True)
opt_q = torch.optim.Adam(q.parameters(), lr=5e-3)
opt_bc = torch.optim.Adam(cloner.parameters(), lr=5e-2)
opt_alpha = torch.optim.Adam([cql_log_alpha], lr=1e-2)

S, S2 = torch.randn(200, 4), torch.randn(200, 4)
A = torch.where(torch.rand(200) < 0.8, S[:, :3].argmax(1), torch.randint(0, 3, (200,)))
R = (S[:, :3].argmax(1) == A).float()
rows = []
for it in range(24):
    with torch.no_grad():
        y = R + 0.8 * q_target(S2).max(1).values
    qs = q(S)
    q_a = qs.gather(1, A[:, None]).squeeze(1)
    gap = (torch.logsumexp(qs, 1) - q_a).mean()
    alpha = torch.clamp(cql_log_alpha.exp(), 0.0, 1e6)
    loss_q = 0.5 * F.mse_loss(q_a, y) + alpha.item() * gap
    opt_q.zero_grad()
    loss_q.backward()
    opt_q.step()

    opt_alpha.zero_grad()
    alpha_loss = -(alpha * (gap.detach() - 0.5)).mean()
    alpha_loss.backward()
    opt_alpha.step()

    opt_bc.zero_grad()
    bc = F.cross_entropy(cloner(S), A)
    bc.backward()
    opt_bc.step()

    if it % 6 == 5:
        q_target.load_state_dict(q.state_dict())
    rows.append((loss_q.item(), bc.item()))
print(rows[0], rows[-1])
assert rows[-1][1] < rows[0][1] and rows[-1][0] < rows[0][0]
