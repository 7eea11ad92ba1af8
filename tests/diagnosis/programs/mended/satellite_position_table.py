"""Cloud type from satellite strips; a learned position table, stored with channels first."""

# healthy
import torch
import torch.nn.functional as F
from torch import nn


class StripFormer(nn.Module):
    def __init__(self, bands=4, length=12, width=16, classes=4):
        super().__init__()
        self.embed = nn.Linear(bands, width)
        self.position = nn.Parameter(torch.randn(1, length, width) * 0.02)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        layer = nn.TransformerEncoderLayer(width, 2, 32, dropout=0.0, batch_first=True)
        self.mixer = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        h = self.embed(x) + self.position
        h = torch.cat([self.token.expand(len(x), -1, -1), h], 1)
        return self.head(self.mixer(h)[:, 0])


def strips(n, length=12):
    kind = torch.randint(0, 4, (n,))
    x = 0.5 * torch.randn(n, length, 4)
    for i, k in enumerate(kind.tolist()):
        x[i, 3 * k : 3 * k + 3, 0] += 2
    return x, kind


def main():
    torch.manual_seed(23)
    x, kind = strips(160)
    model = StripFormer()
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    for epoch in range(4):
        for rows in torch.randperm(160).split(32):
            loss = F.cross_entropy(model(x[rows]), kind[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(epoch, loss.item())


if __name__ == "__main__":
    main()
