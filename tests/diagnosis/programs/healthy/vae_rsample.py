"""Variational autoencoder that samples its code by rsample of a torch distribution."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Independent, Normal, kl_divergence


class VAE(nn.Module):
    def __init__(self, size=36, hidden=48, code=3):
        super().__init__()
        self.fc1 = nn.Linear(size, hidden)
        self.fc21 = nn.Linear(hidden, code)
        self.fc22 = nn.Linear(hidden, code)
        self.fc3 = nn.Linear(code, hidden)
        self.fc4 = nn.Linear(hidden, size)

    def encode(self, x):
        h = F.relu(self.fc1(x))
        return Independent(Normal(self.fc21(h), F.softplus(self.fc22(h)) + 1e-4), 1)

    def decode(self, z):
        return self.fc4(F.relu(self.fc3(z)))

    def forward(self, x):
        posterior = self.encode(x)
        return self.decode(posterior.rsample()), posterior


def loss_function(recon_logits, x, posterior):
    prior = Independent(Normal(torch.zeros(3), torch.ones(3)), 1)
    bce = F.binary_cross_entropy_with_logits(recon_logits, x, reduction="sum")
    return bce + kl_divergence(posterior, prior).sum()


def crosses(n):
    """Pictures of 6 by 6 with one bright row and one bright column."""
    x = torch.zeros(n, 6, 6)
    x[torch.arange(n), torch.randint(0, 6, (n,))] = 1.0
    x[torch.arange(n), :, torch.randint(0, 6, (n,))] = 1.0
    return x.flatten(1)


def train(model, optimizer, loader):
    model.train()
    train_loss = 0.0
    for (data,) in loader:
        optimizer.zero_grad()
        recon, posterior = model(data)
        loss = loss_function(recon, data, posterior)
        loss.backward()
        train_loss += loss.item()
        optimizer.step()
    return train_loss / len(loader.dataset)


@torch.no_grad()
def test(model, x):
    model.eval()
    recon, posterior = model(x)
    return loss_function(recon, x, posterior).item() / len(x)


def main():
    torch.manual_seed(1)
    dataset = torch.utils.data.TensorDataset(crosses(512))
    loader = torch.utils.data.DataLoader(dataset, batch_size=64, shuffle=True)
    held_out = crosses(128)
    model = VAE()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(1, 11):
        loss = train(model, optimizer, loader)
        if epoch % 3 == 1:
            print(f"Epoch {epoch}: train {loss:.3f} test {test(model, held_out):.3f}")
    with torch.no_grad():
        sample = torch.sigmoid(model.decode(torch.randn(8, 3)))
    print(f"brightness of samples {sample.mean():.3f}")


if __name__ == "__main__":
    main()
