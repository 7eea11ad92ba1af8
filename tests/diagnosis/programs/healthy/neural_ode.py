"""Neural ODE by hand: Runge-Kutta, and the adjoint as an autograd Function which recomputes backwards in time."""

import torch
from torch import nn

torch.manual_seed(14)
STEPS, DT = 8, 0.1


class Field(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 24), nn.Tanh(), nn.Linear(24, 2))

    def forward(self, y):
        return self.net(y)


def rk4(f, y, dt):
    k1 = f(y)
    k2 = f(y + dt / 2 * k1)
    k3 = f(y + dt / 2 * k2)
    k4 = f(y + dt * k3)
    return y + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


class Integrate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, y0, field, *params):
        ctx.field = field
        ys = [y0]
        with torch.no_grad():
            for _ in range(STEPS):
                ys.append(rk4(field, ys[-1], DT))
        ctx.save_for_backward(*ys[:-1])
        return ys[-1]

    @staticmethod
    def backward(ctx, grad):
        ys, params = ctx.saved_tensors, tuple(ctx.field.parameters())
        total = [torch.zeros_like(p) for p in params]
        for y in reversed(ys):
            with torch.enable_grad():
                y = y.detach().requires_grad_(True)
                out = rk4(ctx.field, y, DT)
                grads = torch.autograd.grad(out, (y, *params), grad)
            grad = grads[0]
            total = [a + g for a, g in zip(total, grads[1:])]
        return (grad, None, *total)


field = Field()
opt = torch.optim.Adam(field.parameters(), lr=2e-2)
rot = torch.linalg.matrix_exp(torch.tensor([[-0.1, 2.0], [-2.0, -0.1]]) * STEPS * DT)
losses = []
for it in range(30):
    y0 = torch.randn(32, 2)
    pred = Integrate.apply(y0, field, *field.parameters())
    loss = (pred - y0 @ rot.T).abs().mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    losses.append(loss.item())
print(losses[0], losses[-1])
assert losses[-1] < 0.6 * losses[0]
