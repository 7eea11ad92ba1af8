"""GRU language model whose output layer is its embedding: one parameter, used twice."""

import torch
import torch.nn.functional as F
from torch import nn


class TiedGRU(nn.Module):
    def __init__(self, ntoken, width):
        super().__init__()
        self.encoder = nn.Embedding(ntoken, width)
        self.rnn = nn.GRU(width, width, batch_first=True)
        self.decoder = nn.Linear(width, ntoken)
        nn.init.normal_(self.encoder.weight, std=0.1)
        nn.init.zeros_(self.decoder.bias)
        self.decoder.weight = self.encoder.weight

    def forward(self, ids):
        hidden, _ = self.rnn(self.encoder(ids))
        return self.decoder(hidden)


def counting(n, length, ntoken):
    """Each sequence counts on by a step of its own, modulo the size of the vocabulary."""
    first, step = torch.randint(0, ntoken, (n, 1)), torch.randint(1, 4, (n, 1))
    return (first + step * torch.arange(length)) % ntoken


def main():
    torch.manual_seed(45)
    ntoken = 15
    data = counting(256, 12, ntoken)
    model = TiedGRU(ntoken, 32)
    print(f"{sum(p.numel() for p in model.parameters())} parameters, of which one matrix is shared")
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(12):
        total = 0.0
        for batch in data[torch.randperm(256)].split(32):
            logits = model(batch[:, :-1])
            loss = F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        if epoch % 3 == 2:
            print(f"epoch {epoch} loss {total / 8:.4f}")
    assert model.decoder.weight is model.encoder.weight


if __name__ == "__main__":
    main()
