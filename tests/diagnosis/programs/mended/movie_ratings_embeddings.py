"""Film ratings from embeddings of viewers and films, joined by a small network."""

import torch
import torch.nn.functional as F
from torch import nn


class Tables(nn.Module):
    def __init__(self, viewers, films, size):
        super().__init__()
        self.viewer = nn.Embedding(viewers, size)
        self.film = nn.Embedding(films, size)
        for table in (self.viewer, self.film):
            nn.init.normal_(table.weight, std=0.3)

    def forward(self, viewers, films):
        return torch.cat([self.viewer(viewers), self.film(films)], dim=1)


class Mixer(nn.Module):
    def __init__(self, size, width=24):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2 * size, width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, pair):
        return self.layers(pair).squeeze(1)


class Recommender:
    def __init__(self, viewers, films, size=6):
        self.tables, self.mixer = Tables(viewers, films, size), Mixer(size)
        self.mixer_optimizer = torch.optim.Adam(self.mixer.parameters(), lr=5e-3)
        self.table_optimizer = torch.optim.SGD(self.tables.parameters(), lr=2.0)

    def update(self, viewers, films, stars):
        loss = F.mse_loss(self.mixer(self.tables(viewers, films)), stars)
        self.mixer_optimizer.zero_grad()
        self.table_optimizer.zero_grad()
        loss.backward()
        self.mixer_optimizer.step()
        self.table_optimizer.step()
        return loss.item()

    def fit(self, ratings, epochs, batch=40):
        viewers, films, stars = ratings
        for epoch in range(epochs):
            losses = [
                self.update(viewers[rows], films[rows], stars[rows])
                for rows in torch.randperm(len(stars)).split(batch)
            ]
            print(f"epoch {epoch}: squared error {sum(losses) / len(losses):.4f}")


def synthetic_ratings(n=800, viewers=40, films=30):
    taste, style = torch.randn(viewers, 2), torch.randn(films, 2)
    viewer, film = torch.randint(0, viewers, (n,)), torch.randint(0, films, (n,))
    stars = torch.tanh((taste[viewer] * style[film]).sum(1)) + 0.1 * torch.randn(n)
    return viewer, film, stars


if __name__ == "__main__":
    torch.manual_seed(402)
    Recommender(viewers=40, films=30).fit(synthetic_ratings(), epochs=10)
