"""CutMix on small images, deep supervision by auxiliary heads dropped in the last epochs, frozen BatchNorm in the stem."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(24)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()
        )
        self.block = nn.Sequential(
            nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()
        )
        self.aux = nn.Linear(8, 4)
        self.fc = nn.Linear(16, 4)

    def forward(self, x, aux):
        a = self.stem(x)
        b = self.block(a)
        out = self.fc(b.mean((2, 3)))
        return (out, self.aux(a.mean((2, 3)))) if aux else (out, None)

    def train(self, mode=True):
        super().train(mode)
        self.stem[1].eval()
        for p in self.stem[1].parameters():
            p.requires_grad = False
        return self


def cutmix(x, y):
    lam = float(torch.distributions.Beta(1.0, 1.0).sample())
    perm = torch.randperm(len(x))
    w = int(8 * (1 - lam) ** 0.5)
    i, j = torch.randint(0, 8 - w + 1, (2,)).tolist()
    x = x.clone()
    x[:, :, i : i + w, j : j + w] = x[perm, :, i : i + w, j : j + w]
    return x, y, y[perm], 1 - w * w / 64


protos = torch.randn(4, 1, 8, 8).cumsum(2)
y = torch.randint(0, 4, (96,))
x = protos[y] + 0.3 * torch.randn(96, 1, 8, 8)
net = Net().train()
opt = torch.optim.SGD(
    [p for p in net.parameters() if p.requires_grad], lr=0.1, momentum=0.9, weight_decay=5e-4
)
clean = []
for epoch in range(20):
    net.train()
    use_aux = epoch < 12
    if torch.rand(()) < 0.5:
        xm, ya, yb, lam = cutmix(x, y)
    else:
        xm, ya, yb, lam = x, y, y, 1.0
    out, aux = net(xm, use_aux)
    loss = lam * F.cross_entropy(out, ya) + (1 - lam) * F.cross_entropy(out, yb)
    if use_aux:
        loss = loss + 0.4 * (lam * F.cross_entropy(aux, ya) + (1 - lam) * F.cross_entropy(aux, yb))
    opt.zero_grad()
    loss.backward()
    opt.step()
    net.eval()
    with torch.no_grad():
        clean.append(F.cross_entropy(net(x, False)[0], y).item())
print(clean[0], clean[-1])
assert clean[-1] < 0.7 * clean[0]
