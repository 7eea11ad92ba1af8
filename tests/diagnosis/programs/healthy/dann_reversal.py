"""Domain-adversarial training with a gradient reversal layer, lambda on a schedule that begins at zero."""

import math

import torch
from torch import nn
from torch.autograd import Function

torch.manual_seed(15)


class ReverseLayerF(Function):
    @staticmethod
    def forward(ctx, x, alpha):
        ctx.alpha = alpha
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.neg() * ctx.alpha, None


feature = nn.Sequential(nn.Linear(6, 32), nn.BatchNorm1d(32), nn.ReLU(True))
class_classifier = nn.Sequential(
    nn.Linear(32, 16), nn.ReLU(True), nn.Linear(16, 2), nn.LogSoftmax(1)
)
domain_classifier = nn.Sequential(
    nn.Linear(32, 16), nn.ReLU(True), nn.Linear(16, 2), nn.LogSoftmax(1)
)
nets = nn.ModuleList([feature, class_classifier, domain_classifier])
optimizer = torch.optim.Adam(nets.parameters(), lr=5e-3)
loss_class, loss_domain = nn.NLLLoss(), nn.NLLLoss()
w = torch.randn(6)
N = 24
errs = []
for i in range(N):
    p = i / N
    alpha = 2.0 / (1.0 + math.exp(-10 * p)) - 1
    nets.zero_grad()
    xs = torch.randn(64, 6)
    ys = (xs @ w > 0).long()
    f = feature(xs)
    err_s_label = loss_class(class_classifier(f), ys)
    err_s_domain = loss_domain(
        domain_classifier(ReverseLayerF.apply(f, alpha)), torch.zeros(64).long()
    )
    xt = torch.randn(64, 6) + 0.5
    ft = feature(xt)
    err_t_domain = loss_domain(
        domain_classifier(ReverseLayerF.apply(ft, alpha)), torch.ones(64).long()
    )
    err = err_t_domain + err_s_domain + err_s_label
    err.backward()
    optimizer.step()
    errs.append(err_s_label.data.cpu().numpy().item())
print(errs[0], errs[-1])
assert errs[-1] < errs[0]
