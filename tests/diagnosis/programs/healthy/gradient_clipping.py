"""The adding problem with a plain RNN: gradients are clipped to a norm before each step."""

import torch
from torch import nn


class Adder(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.rnn = nn.RNN(2, hidden, nonlinearity="relu", batch_first=True)
        self.readout = nn.Linear(hidden, 1)
        nn.init.eye_(self.rnn.weight_hh_l0)
        nn.init.zeros_(self.rnn.bias_ih_l0)
        nn.init.zeros_(self.rnn.bias_hh_l0)

    def forward(self, sequence):
        _, last = self.rnn(sequence)
        return self.readout(last[-1]).squeeze(-1)


def adding_problem(batch, length=12):
    """Numbers with two marks; the answer is the sum of the marked ones."""
    numbers = torch.rand(batch, length)
    marks = torch.zeros(batch, length)
    marks.scatter_(1, torch.rand(batch, length).topk(2, dim=1).indices, 1.0)
    return torch.stack([numbers, marks], dim=-1), (numbers * marks).sum(dim=1)


def main():
    torch.manual_seed(99)
    model = Adder()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    criterion = nn.MSELoss()
    max_norm, clipped, running = 1.0, 0, None
    for step in range(1, 181):
        sequence, answer = adding_problem(64)
        optimizer.zero_grad()
        loss = criterion(model(sequence), answer)
        loss.backward()
        total_norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        clipped += int(total_norm > max_norm)
        optimizer.step()
        running = loss.item() if running is None else 0.95 * running + 0.05 * loss.item()
        if step % 45 == 0:
            print(f"step {step} loss {running:.4f} norm {total_norm:.3f} clipped so far {clipped}")


if __name__ == "__main__":
    main()
