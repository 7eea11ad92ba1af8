"""BYOL on noisy views of vectors: an online network predicts the output of its moving average."""

import copy

import torch
import torch.nn.functional as F
from torch import nn


class EMA:
    def __init__(self, beta):
        self.beta = beta

    def update_average(self, old, new):
        return old * self.beta + (1 - self.beta) * new


def update_moving_average(ema_updater, ma_model, current_model):
    for current, ma in zip(current_model.parameters(), ma_model.parameters(), strict=True):
        ma.data = ema_updater.update_average(ma.data, current.data)


def mlp(dim, hidden, out):
    return nn.Sequential(
        nn.Linear(dim, hidden, bias=False),
        nn.BatchNorm1d(hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, out),
    )


class BYOL(nn.Module):
    def __init__(self, net, features, projection=8, hidden=32, decay=0.95):
        super().__init__()
        self.online_encoder = nn.Sequential(net, mlp(features, hidden, projection))
        self.target_encoder = copy.deepcopy(self.online_encoder)
        for p in self.target_encoder.parameters():
            p.requires_grad = False
        self.ema = EMA(decay)
        self.online_predictor = mlp(projection, hidden, projection)

    def update_moving_average(self):
        update_moving_average(self.ema, self.target_encoder, self.online_encoder)

    def forward(self, view_one, view_two):
        predictions = self.online_predictor(self.online_encoder(torch.cat([view_one, view_two])))
        with torch.no_grad():
            targets = self.target_encoder(torch.cat([view_two, view_one])).detach()
        return (2 - 2 * F.cosine_similarity(predictions, targets, dim=-1)).mean()


class Scenes:
    """Vectors in which the class shows in a few of the entries."""

    def __init__(self, n, classes=4, size=16):
        self.y = torch.randint(0, classes, (n,))
        self.x = torch.randn(classes, size)[self.y] + 0.9 * torch.randn(n, size)

    def views(self, rows):
        def augment(x):
            return (x + 0.2 * torch.randn_like(x)) * (torch.rand_like(x) > 0.15)

        return augment(self.x[rows]), augment(self.x[rows])


def neighbours(encoder, scenes):
    encoder.eval()
    with torch.no_grad():
        z = F.normalize(encoder(scenes.x))
    encoder.train()
    similarity = (z @ z.t()).fill_diagonal_(-2)
    return (scenes.y[similarity.argmax(1)] == scenes.y).float().mean().item()


if __name__ == "__main__":
    torch.manual_seed(5)
    scenes = Scenes(256)
    encoder = nn.Sequential(nn.Linear(16, 32), nn.ReLU())
    learner = BYOL(encoder, features=32)
    trainable = [p for p in learner.parameters() if p.requires_grad]
    opt = torch.optim.Adam(trainable, lr=3e-3)
    for step in range(100):
        loss = learner(*scenes.views(torch.randint(0, 256, (64,))))
        opt.zero_grad()
        loss.backward()
        opt.step()
        learner.update_moving_average()  # update moving average of target encoder
        if step % 25 == 0:
            print(f"step {step}: loss {loss.item():.4f} 1-NN {neighbours(encoder, scenes):.3f}")
