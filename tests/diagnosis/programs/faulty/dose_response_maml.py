"""Dose-response curves, one task a patient; an initialisation that adapts in two steps."""

# symptom: none | words: detach, .data, new leaf, leaf
import torch
import torch.nn.functional as F
from torch import nn


class Curve(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(width, 1))
        self.b1 = nn.Parameter(torch.randn(width))
        self.w2 = nn.Parameter(torch.randn(1, width) * 0.2)
        self.b2 = nn.Parameter(torch.zeros(1))

    def weights(self):
        return [self.w1, self.b1, self.w2, self.b2]


def predict(dose, weights):
    w1, b1, w2, b2 = weights
    return F.linear(torch.tanh(F.linear(dose, w1, b1)), w2, b2)


def adapt(weights, dose, effect, rate=0.05, steps=2):
    weights = [w.clone().detach().requires_grad_() for w in weights]  # cause
    for _ in range(steps):
        loss = F.mse_loss(predict(dose, weights), effect)
        grads = torch.autograd.grad(loss, weights, create_graph=True)
        weights = [w - rate * g for w, g in zip(weights, grads)]
    return weights


def patient():
    ec50, top = torch.randn(()), 1 + torch.rand(())
    dose = torch.rand(20, 1) * 4 - 2
    return dose, top * torch.sigmoid(3 * (dose - ec50))


def main():
    torch.manual_seed(99)
    curve = Curve()
    optimizer = torch.optim.Adam(curve.parameters(), lr=1e-2)
    for update in range(16):
        optimizer.zero_grad()
        meta = 0.0
        for _ in range(4):
            dose, effect = patient()
            fast = adapt(curve.weights(), dose[:10], effect[:10])
            meta = meta + F.mse_loss(predict(dose[10:], fast), effect[10:]) / 4
        meta.backward()
        optimizer.step()
        if update % 4 == 0:
            print(update, meta.item())


if __name__ == "__main__":
    main()
