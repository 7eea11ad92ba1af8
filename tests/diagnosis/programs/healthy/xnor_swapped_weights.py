"""XNOR-Net as in its repositories: weights binarised in .data for the pass, restored, gradient corrected in .grad.data, then the step."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(18)


class BinOp:
    def __init__(self, model):
        linears = [m for m in model.modules() if isinstance(m, nn.Linear)]
        self.target = [m.weight for m in linears[1:-1]]
        self.saved = [w.data.clone() for w in self.target]

    def binarization(self):
        for w, s in zip(self.target, self.saved):
            w.data.sub_(w.data.mean(1, keepdim=True))
            w.data.clamp_(-1.0, 1.0)
            s.copy_(w.data)
            w.data.copy_(w.data.sign() * w.data.abs().mean(1, keepdim=True))

    def restore(self):
        for w, s in zip(self.target, self.saved):
            w.data.copy_(s)

    def update_grad(self):
        for w in self.target:
            weight, n = w.data, w.data.shape[1]
            m = weight.abs().mean(1, keepdim=True).expand_as(weight).clone()
            m[weight.lt(-1.0)] = 0
            m[weight.gt(1.0)] = 0
            m = m.mul(w.grad.data)
            m_add = (
                (weight.sign() * w.grad.data).sum(1, keepdim=True).expand_as(weight)
                / n
                * weight.sign()
            )
            w.grad.data = m.add(m_add).mul(1.0 - 1.0 / n).mul(n)


model = nn.Sequential(
    nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 3)
)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
bin_op = BinOp(model)
x = torch.randn(128, 8)
y = (x @ torch.randn(8, 3)).argmax(1)
log = []
for it in range(25):
    bin_op.binarization()
    output = model(x)
    loss = F.cross_entropy(output, y)
    optimizer.zero_grad()
    loss.backward()
    bin_op.restore()
    bin_op.update_grad()
    optimizer.step()
    log.append(loss.item())
print(log[0], log[-1])
assert log[-1] < 0.7 * log[0]
