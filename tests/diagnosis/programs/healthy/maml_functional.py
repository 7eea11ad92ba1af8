"""MAML on sine waves: the inner step by torch.func.grad, tasks by vmap, the outer by autograd."""

import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call, grad, vmap


class SineNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(1, 32), nn.Linear(32, 32), nn.Linear(32, 1)

    def forward(self, x):
        return self.fc3(torch.tanh(self.fc2(torch.tanh(self.fc1(x)))))


def sample_tasks(outer_batch_size, inner_batch_size):
    amplitude = 0.5 + 2 * torch.rand(outer_batch_size, 1, 1)
    phase = math.pi * torch.rand(outer_batch_size, 1, 1)

    def draw():
        x = 6 * torch.rand(outer_batch_size, inner_batch_size, 1) - 3
        return x, amplitude * torch.sin(x + phase)

    return *draw(), *draw()


class MAML:
    def __init__(self, net, inner_lr, outer_lr):
        self.net, self.inner_lr = net, inner_lr
        self.params = dict(net.named_parameters())
        self.opt = torch.optim.Adam(self.params.values(), lr=outer_lr)

    def loss(self, params, x, y):
        return F.mse_loss(functional_call(self.net, params, (x,)), y)

    def adapt(self, params, x, y):
        grads = grad(self.loss)(params, x, y)
        return {name: params[name] - self.inner_lr * grads[name] for name in params}

    def loss_for_task(self, x1, y1, x2, y2):
        return self.loss(self.adapt(self.params, x1, y1), x2, y2)

    def fit(self, steps):
        for it in range(steps):
            task_losses = vmap(self.loss_for_task)(*sample_tasks(16, 10))
            loss = task_losses.mean()
            self.opt.zero_grad()
            loss.backward()
            self.opt.step()
            if it % 20 == 0:
                print(f"Iteration {it} -- Outer Loss: {loss.item():.4f}")

    def evaluate(self):
        x1, y1, x2, y2 = (t[0] for t in sample_tasks(1, 10))
        params = {name: p.detach() for name, p in self.params.items()}
        before = self.loss(params, x2, y2)
        for _ in range(5):
            params = self.adapt(params, x1, y1)
        print(
            f"a new task: {before.item():.4f} before, {self.loss(params, x2, y2).item():.4f} after"
        )


if __name__ == "__main__":
    torch.manual_seed(0)
    maml = MAML(SineNet(), inner_lr=0.05, outer_lr=1e-2)
    maml.fit(steps=100)
    maml.evaluate()
