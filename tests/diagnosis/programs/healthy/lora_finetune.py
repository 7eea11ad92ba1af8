"""Low-rank adapters on a frozen regression network; the second factor of each starts at zero."""

import math

import torch
from torch import nn


class LoRALinear(nn.Module):
    def __init__(self, linear, rank=2, alpha=4.0):
        super().__init__()
        self.linear = linear.requires_grad_(False)
        self.lora_a = nn.Parameter(torch.empty(rank, linear.in_features))
        self.lora_b = nn.Parameter(torch.zeros(linear.out_features, rank))
        nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))
        self.scaling = alpha / rank

    def forward(self, x):
        return self.linear(x) + self.scaling * (x @ self.lora_a.t() @ self.lora_b.t())

    @torch.no_grad()
    def merge(self):
        self.linear.weight += self.scaling * self.lora_b @ self.lora_a
        return self.linear


def inject(module, rank):
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, LoRALinear(child, rank))
        else:
            inject(child, rank)


def merge(module):
    for name, child in module.named_children():
        if isinstance(child, LoRALinear):
            setattr(module, name, child.merge())
        else:
            merge(child)


def fit(model, x, y, steps, lr, title):
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=lr, weight_decay=0.0)
    print(f"{title}: {sum(p.numel() for p in trained)} parameters")
    for step in range(steps):
        rows = torch.randint(0, len(x), (48,))
        loss = nn.functional.mse_loss(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % (steps // 3) == 0 or step == steps - 1:
            print(f"  step {step} loss {loss.item():.4f}")


def main():
    torch.manual_seed(9)
    x = torch.randn(400, 6)
    general = torch.tanh(x @ torch.randn(6, 6)) @ torch.randn(6, 2)
    domain = general + 0.8 * x[:, :1] * torch.tensor([[1.0, -1.0]])
    model = nn.Sequential(nn.Linear(6, 32), nn.Tanh(), nn.Sequential(nn.Linear(32, 32), nn.Tanh()))
    model.append(nn.Linear(32, 2))
    fit(model, x, general, steps=90, lr=1e-2, title="pretraining")
    inject(model, rank=2)
    fit(model, x, domain, steps=90, lr=1e-2, title="adapters")
    before = model(x[:8]).detach()
    merge(model)
    print(f"merging changed the output by {(model(x[:8]) - before).abs().max().item():.1e}")


if __name__ == "__main__":
    main()
