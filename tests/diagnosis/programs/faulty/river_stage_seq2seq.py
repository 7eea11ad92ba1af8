"""River stage forecast: an encoder reads rain, a decoder rolls the stage forward."""

# symptom: none | words: detach, cut
import torch
import torch.nn.functional as F
from torch import nn


def repackage(state):
    """Wraps hidden states in new tensors, to detach them from their history."""
    if isinstance(state, torch.Tensor):
        return state.detach()  # cause
    return tuple(repackage(part) for part in state)


class Forecaster(nn.Module):
    def __init__(self, hidden=16, horizon=4):
        super().__init__()
        self.horizon = horizon
        self.reader = nn.LSTM(1, hidden, batch_first=True)
        self.roller = nn.LSTMCell(1, hidden)
        self.stage = nn.Linear(hidden, 1)

    def forward(self, rain):
        _, (h, c) = self.reader(rain)
        state = repackage((h[0], c[0]))  # cause
        level, levels = rain.new_zeros(len(rain), 1), []
        for _ in range(self.horizon):
            state = self.roller(level, state)
            level = self.stage(state[0])
            levels.append(level)
        return torch.cat(levels, 1)


def catchments(n, length=10, horizon=4):
    rain = torch.rand(n, length, 1)
    total = rain.sum(1)
    return rain, (total - 5) * 0.6 ** torch.arange(1, horizon + 1).float()


def fit(model, rain, level, epochs=6, size=32):
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 3, 0.5)
    for epoch in range(epochs):
        model.train()
        seen = 0.0
        for i in range(0, len(rain), size):
            optimizer.zero_grad()
            loss = F.smooth_l1_loss(model(rain[i : i + size]), level[i : i + size])
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            seen += loss.item()
        scheduler.step()
        print(f"{epoch} {seen:.4f}")


if __name__ == "__main__":
    torch.manual_seed(3)
    rain, level = catchments(128)
    fit(Forecaster(), rain, level)
