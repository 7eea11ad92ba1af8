"""Recommender with sparse embedding tables: SparseAdam for them, Adam for what is above."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class NeuMF(nn.Module):
    def __init__(self, users, items, dim=8):
        super().__init__()
        self.user = nn.Embedding(users, dim, sparse=True)
        self.item = nn.Embedding(items, dim, sparse=True)
        self.mlp = nn.Sequential(nn.Linear(2 * dim, 16), nn.ReLU(), nn.Linear(16, dim))
        self.predict = nn.Linear(2 * dim, 1)
        for table in (self.user, self.item):
            nn.init.normal_(table.weight, std=0.1)

    def forward(self, user, item):
        u, i = self.user(user), self.item(item)
        joined = torch.cat([u * i, self.mlp(torch.cat([u, i], dim=1))], dim=1)
        return self.predict(joined).squeeze(1)


def interactions(users, items, n):
    taste, kind = torch.randn(users, 3), torch.randn(items, 3)
    u, i = torch.randint(0, users, (n,)), torch.randint(0, items, (n,))
    return TensorDataset(u, i, ((taste[u] * kind[i]).sum(dim=1) > 0).float())


def main():
    torch.manual_seed(70)
    loader = DataLoader(interactions(60, 40, 1600), batch_size=100, shuffle=True)
    model = NeuMF(60, 40)
    tables = [*model.user.parameters(), *model.item.parameters()]
    dense = [*model.mlp.parameters(), *model.predict.parameters()]
    optimizers = [torch.optim.SparseAdam(tables, lr=2e-2), torch.optim.Adam(dense, lr=1e-2)]
    criterion = nn.BCEWithLogitsLoss()
    for epoch in range(8):
        total, hits = 0.0, 0
        for user, item, liked in loader:
            logits = model(user, item)
            loss = criterion(logits, liked)
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
            total += loss.item()
            hits += ((logits > 0) == (liked > 0)).sum().item()
        print(f"epoch {epoch} loss {total / len(loader):.4f} accuracy {hits / 1600:.3f}")


if __name__ == "__main__":
    main()
