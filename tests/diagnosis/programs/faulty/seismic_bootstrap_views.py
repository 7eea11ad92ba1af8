"""Two noisy views of a seismic trace agree through a slow copy of the encoder."""

# symptom: moves | words: same memory, same storage, shares, shared, clone, deepcopy, alias
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call


class SlowCopy:
    """Exponential average of a module's parameters, called like the module."""

    def __init__(self, module, decay=0.95):
        self.module, self.decay = module, decay
        self.values = {name: p.detach() for name, p in module.named_parameters()}  # cause

    @torch.no_grad()
    def update(self):
        for name, p in self.module.named_parameters():
            self.values[name].mul_(self.decay).add_(p, alpha=1 - self.decay)

    @torch.no_grad()
    def __call__(self, x):
        return functional_call(self.module, self.values, (x,))


def view(trace):
    return trace + 0.3 * torch.randn_like(trace)


def main():
    torch.manual_seed(14)
    time = torch.linspace(0, 6.28, 32)
    traces = torch.sin(time[None] * torch.randint(1, 5, (128, 1)) + torch.rand(128, 1) * 6)
    encoder = nn.Sequential(nn.Linear(32, 48), nn.ReLU(), nn.Linear(48, 12))
    predictor = nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 12))
    slow = SlowCopy(encoder)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *predictor.parameters()], lr=2e-3)
    for epoch in range(5):
        for rows in torch.randperm(128).split(32):
            a, b = view(traces[rows]), view(traces[rows])
            loss = 2 - F.cosine_similarity(predictor(encoder(a)), slow(b)).mean()
            loss = loss - F.cosine_similarity(predictor(encoder(b)), slow(a)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            slow.update()
        print(epoch, loss.item())


if __name__ == "__main__":
    main()
