"""Map of stations that is drawn from their features so that distances fit the travel times."""
# symptom: nan | words: sqrt, torch.where, infinite, masked

import torch
from torch import nn


class Mapper(nn.Module):
    def __init__(self, features=8, width=32):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(features, width), nn.Tanh(), nn.Linear(width, 2, bias=False)
        )

    def forward(self, features):
        return self.layers(features)


def pairwise(positions, known):
    """Distances between all stations, and 0 where no travel time is known."""
    offset = positions[:, None, :] - positions[None, :, :]
    squared = offset.pow(2).sum(dim=-1)
    return torch.where(known, squared.sqrt(), 0.0)  # cause


class Stress(nn.Module):
    def forward(self, positions, times, known):
        misfit = (pairwise(positions, known) - times) ** 2
        return (misfit * known).sum() / known.sum()


def railway(stations=80, features=8):
    place = 2 * torch.rand(stations, 2)
    kinds = torch.cat([place, place**2, place.prod(1, keepdim=True)], dim=1)
    noise = torch.randn(stations, features - kinds.shape[1])
    times = torch.cdist(place, place)
    return torch.cat([kinds, noise], dim=1), times


def main():
    torch.manual_seed(14)
    features, times = railway()
    mapper, stress = Mapper(), Stress()
    optimizer = torch.optim.Adam(mapper.parameters(), lr=1e-2)
    for step in range(120):
        rows = torch.randperm(len(times))[:24]
        known = (torch.rand(24, 24) < 0.7) & ~torch.eye(24, dtype=torch.bool)
        target = times[rows][:, rows]
        loss = stress(mapper(features[rows]), torch.where(known, target, 0.0), known)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 20 == 0:
            print(f"step {step}: stress {loss.item():.4f}")


if __name__ == "__main__":
    main()
