"""A denoiser of signals with a shadow copy of the weights that is swapped in to evaluate."""

import torch
from torch import nn


class EMA:
    """Keeps an exponential moving average of the trainable parameters of a model."""

    def __init__(self, model, decay):
        self.model, self.decay = model, decay
        self.shadow, self.backup = {}, {}

    def register(self):
        for name, param in self.model.named_parameters():
            if param.requires_grad:
                self.shadow[name] = param.data.clone()

    def update(self):
        for name, param in self.model.named_parameters():
            if param.requires_grad:
                average = (1.0 - self.decay) * param.data + self.decay * self.shadow[name]
                self.shadow[name] = average.clone()

    def apply_shadow(self):
        for name, param in self.model.named_parameters():
            if param.requires_grad:
                self.backup[name] = param.data
                param.data = self.shadow[name]

    def restore(self):
        for name, param in self.model.named_parameters():
            if param.requires_grad:
                param.data = self.backup[name]
        self.backup = {}


class Denoiser(nn.Module):
    def __init__(self, channels=12):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv1d(1, channels, 5, padding=2),
            nn.SiLU(),
            nn.Conv1d(channels, channels, 5, padding=2),
            nn.SiLU(),
            nn.Conv1d(channels, 1, 5, padding=2),
        )

    def forward(self, noisy):
        return noisy - self.net(noisy)


def signals(n, length=40):
    t = torch.linspace(0, 6.28, length)
    clean = torch.sin(t * (1 + 2 * torch.rand(n, 1, 1)) + 6.28 * torch.rand(n, 1, 1))
    return clean + 0.4 * torch.randn(n, 1, length), clean


@torch.no_grad()
def evaluate(model, noisy, clean):
    return nn.functional.mse_loss(model(noisy), clean).item()


def main():
    torch.manual_seed(27)
    model = Denoiser()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    ema = EMA(model, 0.9)
    ema.register()
    held_out = signals(128)
    for step in range(1, 121):
        noisy, clean = signals(16)
        loss = nn.functional.mse_loss(model(noisy), clean)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        ema.update()
        if step % 30 == 0:
            raw = evaluate(model, *held_out)
            ema.apply_shadow()
            averaged = evaluate(model, *held_out)
            ema.restore()
            print(f"step {step} loss {loss.item():.4f} raw {raw:.4f} averaged {averaged:.4f}")


if __name__ == "__main__":
    main()
