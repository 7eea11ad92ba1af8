"""Early stopping with checkpoints in memory; a second trainer resumes from the first."""

import io

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Forecaster(nn.Module):
    def __init__(self, hidden=16):
        super().__init__()
        self.rnn = nn.GRU(1, hidden, batch_first=True)
        self.out = nn.Linear(hidden, 1)

    def forward(self, window):
        _, h = self.rnn(window)
        return self.out(h[-1]).squeeze(1)


class EarlyStopping:
    def __init__(self, patience, delta=1e-4):
        self.patience, self.delta, self.best, self.counter = patience, delta, None, 0

    def __call__(self, loss):
        if self.best is None or loss < self.best - self.delta:
            self.best, self.counter = loss, 0
            return "improved"
        self.counter += 1
        return "stop" if self.counter >= self.patience else "wait"


class Trainer:
    def __init__(self, lr=1e-2):
        self.model, self.epoch = Forecaster(), 0
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=lr)
        self.scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(self.optimizer, patience=2)

    def save(self):
        file = io.BytesIO()
        parts = ("model", "optimizer", "scheduler")
        state = {name: getattr(self, name).state_dict() for name in parts}
        torch.save({"epoch": self.epoch, **state}, file)
        return file

    def load(self, file):
        file.seek(0)
        checkpoint = torch.load(file, weights_only=True)
        self.epoch = checkpoint.pop("epoch")
        for name, state in checkpoint.items():
            getattr(self, name).load_state_dict(state)

    def fit(self, loader, held_out, until, stopping):
        saved = self.save()
        while self.epoch < until:
            self.model.train()
            for window, target in loader:
                self.optimizer.zero_grad()
                loss = nn.functional.mse_loss(self.model(window), target)
                loss.backward()
                self.optimizer.step()
            self.model.eval()
            with torch.no_grad():
                score = nn.functional.mse_loss(self.model(held_out[0]), held_out[1]).item()
            self.scheduler.step(score)
            self.epoch += 1
            verdict = stopping(score)
            print(f"epoch {self.epoch} train {loss.item():.5f} held out {score:.5f} {verdict}")
            if verdict == "improved":
                saved = self.save()
            elif verdict == "stop":
                break
        return saved


def main():
    torch.manual_seed(56)
    series = torch.sin(torch.arange(300) * 0.25) + 0.1 * torch.randn(300)
    windows = series.unfold(0, 13, 1)
    x, y = windows[:, :-1].unsqueeze(-1), windows[:, -1]
    loader = DataLoader(TensorDataset(x[:220], y[:220]), batch_size=32, shuffle=True)
    held_out = x[232:], y[232:]
    file = Trainer().fit(loader, held_out, until=4, stopping=EarlyStopping(patience=3))
    resumed = Trainer()
    resumed.load(file)
    print(f"resumed after epoch {resumed.epoch}")
    resumed.fit(loader, held_out, until=14, stopping=EarlyStopping(patience=3))


if __name__ == "__main__":
    main()
