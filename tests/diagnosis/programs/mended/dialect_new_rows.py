"""Only the embedding rows of new dialect words are trained; a hook keeps the others still."""

# healthy
import torch
import torch.nn.functional as F
from torch import nn


class DialectNet(nn.Module):
    def __init__(self, words=50, width=12, dialects=3):
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.classify = nn.Sequential(nn.Linear(width, 16), nn.ReLU(), nn.Linear(16, dialects))

    def forward(self, sentence):
        return self.classify(self.words(sentence).mean(1))


def train_rows_only(embedding, rows, columns):
    """Lets gradient through for these rows (and these columns of them) only."""
    keep = torch.zeros_like(embedding.weight)
    keep[rows[:, None], columns[None]] = 1.0
    embedding.weight.register_hook(lambda grad: grad * keep)


def sentences(n):
    dialect = torch.randint(0, 3, (n,))
    words = torch.randint(0, 40, (n, 6))
    words[:, 0] = 40 + dialect
    words[:, 1] = 43 + dialect
    return words, dialect


def main():
    torch.manual_seed(71)
    words, dialect = sentences(160)
    net = DialectNet()
    train_rows_only(net.words, torch.arange(40, 50), torch.arange(0, 12))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    for epoch in range(5):
        for rows in torch.randperm(160).split(32):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(words[rows]), dialect[rows])
            loss.backward()
            optimizer.step()
        print(epoch, loss.item())


if __name__ == "__main__":
    main()
