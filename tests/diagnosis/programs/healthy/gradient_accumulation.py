"""Transformer classifier of token sequences, updated after every four micro-batches."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


class SequenceClassifier(nn.Module):
    def __init__(self, vocab=12, width=24, classes=3):
        super().__init__()
        self.token = nn.Embedding(vocab, width)
        self.position = nn.Parameter(0.02 * torch.randn(1, 10, width))
        layer = nn.TransformerEncoderLayer(width, 2, 48, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, num_layers=1)
        self.classify = nn.Linear(width, classes)

    def forward(self, ids):
        return self.classify(self.encoder(self.token(ids) + self.position).mean(dim=1))


class Trainer:
    def __init__(self, model, lr=5e-3, accum_iter=4):
        self.model, self.accum_iter = model, accum_iter
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=lr)

    def train_epoch(self, data_loader):
        self.model.train()
        total, updates = 0.0, 0
        for batch_idx, (inputs, labels) in enumerate(data_loader):
            loss = F.cross_entropy(self.model(inputs), labels)
            # normalize loss to account for batch accumulation
            (loss / self.accum_iter).backward()
            total += loss.item()
            # weights update
            if (batch_idx + 1) % self.accum_iter == 0 or batch_idx + 1 == len(data_loader):
                self.optimizer.step()
                self.optimizer.zero_grad()
                updates += 1
        return total / len(data_loader), updates


def main():
    torch.manual_seed(31)
    ids = torch.randint(0, 12, (288, 10))
    counts = torch.stack([(ids // 4 == group).sum(dim=1) for group in range(3)], dim=1)
    loader = DataLoader(TensorDataset(ids, counts.argmax(1)), batch_size=12, shuffle=True)
    trainer = Trainer(SequenceClassifier())
    for epoch in range(5):
        loss, updates = trainer.train_epoch(loader)
        print(f"epoch {epoch} loss {loss:.4f} ({updates} updates of {len(loader)} batches)")


if __name__ == "__main__":
    main()
