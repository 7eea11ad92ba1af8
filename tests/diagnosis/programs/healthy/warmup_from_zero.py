"""SGD with Nesterov momentum; the learning rate rises from zero, then falls along a cosine."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, SequentialLR


class BasicBlock(nn.Module):
    def __init__(self, planes):
        super().__init__()
        self.conv1 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + x)


class TinyResNet(nn.Module):
    def __init__(self, planes=8, num_classes=4):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, planes, 3, padding=1, bias=False), nn.BatchNorm2d(planes), nn.ReLU()
        )
        self.layers = nn.Sequential(BasicBlock(planes), BasicBlock(planes))
        self.fc = nn.Linear(planes, num_classes)
        for m in self.modules():
            if isinstance(m, BasicBlock):
                nn.init.constant_(m.bn2.weight, 0)  # each residual block starts as the identity

    def forward(self, x):
        return self.fc(self.layers(self.stem(x)).mean(dim=(2, 3)))


def colour_textures(n):
    label = torch.randint(0, 4, (n,))
    x = 0.7 * torch.randn(n, 3, 8, 8)
    stripes = torch.tensor([1.0, -1.0]).repeat(4)
    x[label % 2 == 0, 0] += stripes
    x[label % 2 == 1, 0] += stripes.unsqueeze(1)
    x[label >= 2, 2] += 0.5
    return x, label


def main():
    torch.manual_seed(16)
    x, y = colour_textures(256)
    model = TinyResNet()
    epochs, batch, warmup = 6, 32, 6
    steps = epochs * len(x) // batch
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    scheduler = SequentialLR(
        optimizer,
        [
            LambdaLR(optimizer, lambda step: step / warmup),
            CosineAnnealingLR(optimizer, T_max=steps - warmup),
        ],
        milestones=[warmup],
    )
    for epoch in range(epochs):
        model.train()
        train_loss, correct = 0.0, 0
        for rows in torch.randperm(len(x)).split(batch):
            optimizer.zero_grad()
            outputs = model(x[rows])
            loss = F.cross_entropy(outputs, y[rows])
            loss.backward()
            optimizer.step()
            scheduler.step()
            train_loss += loss.item() * len(rows)
            correct += outputs.argmax(1).eq(y[rows]).sum().item()
        lr = scheduler.get_last_lr()[0]
        print(f"epoch {epoch} lr {lr:.4f} loss {train_loss / 256:.4f} acc {correct / 256:.3f}")


if __name__ == "__main__":
    main()
