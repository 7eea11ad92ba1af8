"""Clicks on advertisements from categorical fields, each with a table of embeddings."""

import torch
import torch.nn.functional as F
from torch import nn

FIELDS = {"site": 12, "device": 5, "hour": 24, "campaign": 9}


class ClickNet(nn.Module):
    def __init__(self, fields, size=6, width=24):
        super().__init__()
        self.tables = nn.ModuleDict(
            {name: nn.Embedding(rows, size) for name, rows in fields.items()}
        )
        self.deep = nn.Sequential(nn.Linear(size * len(fields), width), nn.ReLU())
        self.click = nn.Linear(width, 1)

    def forward(self, record):
        looked_up = [table(record[name]) for name, table in self.tables.items()]
        return self.click(self.deep(torch.cat(looked_up, dim=1))).squeeze(-1)


def impressions(count, fields):
    record = {name: torch.randint(0, rows, (count,)) for name, rows in fields.items()}
    liking = sum(torch.randn(rows)[record[name]] for name, rows in fields.items())
    return record, (liking + 0.3 * torch.randn(count) > 0).float()


def batches(record, clicked, size):
    for rows in torch.randperm(len(clicked)).split(size):
        yield {name: column[rows] for name, column in record.items()}, clicked[rows]


class ClickTrainer:
    def __init__(self, model, **options):
        self.model = model
        self.optimizer = torch.optim.Adam(model.parameters(), **options)

    def run_epoch(self, record, clicked, size=50):
        losses = []
        for part, target in batches(record, clicked, size):
            self.optimizer.zero_grad()
            loss = F.binary_cross_entropy_with_logits(self.model(part), target)
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
        return sum(losses) / len(losses)


if __name__ == "__main__":
    torch.manual_seed(186)
    record, clicked = impressions(400, FIELDS)
    trainer = ClickTrainer(ClickNet(FIELDS), lr=1e-2)
    for epoch in range(8):
        print(f"epoch {epoch}: log loss {trainer.run_epoch(record, clicked):.4f}")
