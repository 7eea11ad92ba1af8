"""Sharpness-aware minimization: climb, differentiate again, return to the old weights and step."""

import torch
import torch.nn as nn
import torch.nn.functional as F


class SAM(torch.optim.Optimizer):
    def __init__(self, params, base_optimizer, rho=0.05, **kwargs):
        defaults = dict(rho=rho, **kwargs)
        super().__init__(params, defaults)
        self.base_optimizer = base_optimizer(self.param_groups, **kwargs)
        self.param_groups = self.base_optimizer.param_groups
        self.defaults.update(self.base_optimizer.defaults)

    @torch.no_grad()
    def first_step(self, zero_grad=False):
        grad_norm = self._grad_norm()
        for group in self.param_groups:
            scale = group["rho"] / (grad_norm + 1e-12)
            for p in group["params"]:
                if p.grad is None:
                    continue
                self.state[p]["old_p"] = p.data.clone()
                p.add_(p.grad * scale)  # climb to the local maximum "w + e(w)"
        if zero_grad:
            self.zero_grad()

    @torch.no_grad()
    def second_step(self, zero_grad=False):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                p.data = self.state[p]["old_p"]  # get back to "w" from "w + e(w)"
        self.base_optimizer.step()  # do the actual "sharpness-aware" update
        if zero_grad:
            self.zero_grad()

    def _grad_norm(self):
        norms = [
            p.grad.norm(p=2) for g in self.param_groups for p in g["params"] if p.grad is not None
        ]
        return torch.norm(torch.stack(norms), p=2)


def smooth_crossentropy(pred, gold, smoothing=0.1):
    return F.cross_entropy(pred, gold, label_smoothing=smoothing)


def spirals(n):
    label = torch.arange(n) % 2
    r = torch.rand(n)
    angle = 5 * r + 3.1416 * label
    points = torch.stack([r * angle.cos(), r * angle.sin()], dim=1)
    return 2 * points + 0.03 * torch.randn(n, 2), label


torch.manual_seed(42)
inputs, targets = spirals(256)
model = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 2))
optimizer = SAM(model.parameters(), torch.optim.SGD, rho=0.05, lr=0.2, momentum=0.9)
for epoch in range(25):
    losses = []
    for rows in torch.randperm(256).split(64):
        # first forward-backward step
        predictions = model(inputs[rows])
        loss = smooth_crossentropy(predictions, targets[rows])
        loss.backward()
        optimizer.first_step(zero_grad=True)
        # second forward-backward step
        smooth_crossentropy(model(inputs[rows]), targets[rows]).backward()
        optimizer.second_step(zero_grad=True)
        losses.append(loss.item())
    if epoch % 6 == 0:
        with torch.no_grad():
            accuracy = (model(inputs).argmax(1) == targets).float().mean()
        print(f"epoch {epoch} loss {sum(losses) / len(losses):.4f} accuracy {accuracy:.3f}")
