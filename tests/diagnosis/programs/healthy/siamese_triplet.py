"""Siamese embedding by triplets; those that are satisfied add nothing to the gradient."""

import torch
from torch import nn


class EmbeddingNet(nn.Module):
    def __init__(self, inputs=12, size=4):
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(inputs, 32),
            nn.PReLU(),
            nn.Linear(32, 32),
            nn.PReLU(),
            nn.Linear(32, size, bias=False),
        )

    def forward(self, x):
        return self.fc(x)


class TripletNet(nn.Module):
    def __init__(self, embedding_net):
        super().__init__()
        self.embedding_net = embedding_net

    def forward(self, x1, x2, x3):
        return self.embedding_net(x1), self.embedding_net(x2), self.embedding_net(x3)


class TripletReadings(torch.utils.data.Dataset):
    def __init__(self, n, machines=5):
        self.labels = torch.arange(n) % machines
        self.data = 1.2 * torch.randn(machines, 12)[self.labels] + 0.6 * torch.randn(n, 12)
        self.label_to_indices = [(self.labels == c).nonzero().flatten() for c in range(machines)]

    def __getitem__(self, index):
        label = int(self.labels[index])
        other = int(torch.randint(1, len(self.label_to_indices), ()) + label)
        same = self.label_to_indices[label]
        different = self.label_to_indices[other % len(self.label_to_indices)]
        positive = same[torch.randint(len(same), ())]
        negative = different[torch.randint(len(different), ())]
        return self.data[index], self.data[positive], self.data[negative]

    def __len__(self):
        return len(self.data)


def fit(loader, model, loss_fn, optimizer, scheduler, n_epochs):
    for epoch in range(n_epochs):
        model.train()
        losses, satisfied = [], 0
        for triplet in loader:
            optimizer.zero_grad()
            loss = loss_fn(*model(*triplet))
            losses.append(loss.item())
            satisfied += int(loss.item() == 0.0)
            loss.backward()
            optimizer.step()
        scheduler.step()
        print(
            f"Epoch {epoch + 1}/{n_epochs}: loss {sum(losses) / len(losses):.4f}, "
            f"batches with every triplet satisfied {satisfied}/{len(losses)}"
        )


if __name__ == "__main__":
    torch.manual_seed(12)
    loader = torch.utils.data.DataLoader(TripletReadings(240), batch_size=16, shuffle=True)
    model = TripletNet(EmbeddingNet())
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 4, gamma=0.5)
    fit(loader, model, nn.TripletMarginLoss(margin=1.0), optimizer, scheduler, n_epochs=8)
