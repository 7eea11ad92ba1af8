"""Variational autoencoder in half precision whose step length depends on the gradient's norm."""
# symptom: wrong | words: unscale, scaled, scaler

import torch
import torch.nn.functional as F
from torch import nn


class Vae(nn.Module):
    def __init__(self, pixels=36, latent=3, width=32):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(pixels, width), nn.ReLU())
        self.mean, self.log_var = nn.Linear(width, latent), nn.Linear(width, latent)
        self.decoder = nn.Sequential(nn.Linear(latent, width), nn.ReLU(), nn.Linear(width, pixels))

    def forward(self, x):
        hidden = self.encoder(x)
        mean, log_var = self.mean(hidden).float(), self.log_var(hidden).float()
        sample = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
        return self.decoder(sample).float(), mean, log_var


def negative_bound(x, logits, mean, log_var, beta=0.5):
    likelihood = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    divergence = 0.5 * (mean.pow(2) + log_var.exp() - 1 - log_var).sum()
    return (likelihood + beta * divergence) / len(x)


def gradient_norm(model):
    return torch.stack([p.grad.norm() for p in model.parameters()]).norm().item()


def bars(n, size=6):
    """Pictures with one horizontal and one vertical bar."""
    image = torch.zeros(n, size, size)
    image[torch.arange(n), torch.randint(0, size, (n,)), :] = 1.0
    image[torch.arange(n), :, torch.randint(0, size, (n,))] = 1.0
    return image.flatten(1)


def train(model, data, epochs, rate, longest):
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.5)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    for epoch in range(epochs):
        bound, norms = 0.0, []
        for x in data[torch.randperm(len(data))].split(32):
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.float16):
                output = model(x)
            loss = negative_bound(x, *output)
            scaler.scale(loss).backward()
            norms.append(gradient_norm(model))  # cause
            for group in optimizer.param_groups:
                group["lr"] = min(rate, longest / (norms[-1] + 1e-8))
            scaler.step(optimizer)
            scaler.update()
            bound += loss.item() * len(x)
        print(f"{epoch}: bound {-bound / len(data):.3f}, norm {sum(norms) / len(norms):.2f}")


if __name__ == "__main__":
    torch.manual_seed(36)
    train(Vae(), bars(256), epochs=10, rate=0.05, longest=0.1)
