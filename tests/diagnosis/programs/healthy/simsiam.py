"""SimSiam on time series: two crops of a series, a predictor, and a stop of the gradient."""

import torch
import torch.nn as nn


class SimSiam(nn.Module):
    def __init__(self, length, dim=24, pred_dim=8):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(length, dim, bias=False),
            nn.BatchNorm1d(dim),
            nn.ReLU(inplace=True),
            nn.Linear(dim, dim, bias=False),
            nn.BatchNorm1d(dim, affine=False),
        )
        self.predictor = nn.Sequential(
            nn.Linear(dim, pred_dim, bias=False),
            nn.BatchNorm1d(pred_dim),
            nn.ReLU(inplace=True),
            nn.Linear(pred_dim, dim),
        )

    def forward(self, x1, x2):
        z1, z2 = self.encoder(x1), self.encoder(x2)
        p1, p2 = self.predictor(z1), self.predictor(z2)
        return p1, p2, z1.detach(), z2.detach()


class RandomCrops(torch.utils.data.Dataset):
    def __init__(self, n, length, crop):
        time = torch.arange(length)
        self.kind = torch.arange(n) % 3
        period = torch.tensor([4.0, 7.0, 12.0])[self.kind]
        phase = torch.rand(n, 1) * 0.5
        self.series = torch.sin(6.28 * (time / period.unsqueeze(1) + phase))
        self.crop = crop

    def __len__(self):
        return len(self.series)

    def cut(self, series):
        start = int(torch.randint(0, 3, ()))
        return series[start : start + self.crop] + 0.1 * torch.randn(self.crop)

    def __getitem__(self, i):
        return self.cut(self.series[i]), self.cut(self.series[i])


def adjust_learning_rate(optimizer, init_lr, epoch, epochs):
    cur_lr = init_lr * 0.5 * (1.0 + torch.cos(torch.tensor(3.14159 * epoch / epochs)).item())
    for param_group in optimizer.param_groups:
        param_group["lr"] = init_lr if param_group.get("fix_lr") else cur_lr


def main():
    torch.manual_seed(8)
    loader = torch.utils.data.DataLoader(
        RandomCrops(192, 28, crop=24), batch_size=48, shuffle=True, drop_last=True
    )
    model = SimSiam(24)
    criterion = nn.CosineSimilarity(dim=1)
    init_lr = 0.05
    optim_params = [
        {"params": model.encoder.parameters(), "fix_lr": False},
        {"params": model.predictor.parameters(), "fix_lr": True},
    ]
    optimizer = torch.optim.SGD(optim_params, init_lr, momentum=0.9, weight_decay=1e-4)
    for epoch in range(12):
        adjust_learning_rate(optimizer, init_lr, epoch, 12)
        total = 0.0
        for x1, x2 in loader:
            p1, p2, z1, z2 = model(x1, x2)
            loss = -(criterion(p1, z2).mean() + criterion(p2, z1).mean()) * 0.5
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        if epoch % 3 == 0:
            spread = nn.functional.normalize(z1).std(0).mean()
            print(f"epoch {epoch} loss {total / len(loader):.4f} spread {spread:.4f}")


if __name__ == "__main__":
    main()
