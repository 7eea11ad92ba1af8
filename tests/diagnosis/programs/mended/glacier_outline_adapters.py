"""Adapters in a frozen convolutional backbone, for glacier outlines in radar strips."""

# healthy
import torch
import torch.nn.functional as F
from torch import nn


class Adapter(nn.Module):
    def __init__(self, width, rank=4):
        super().__init__()
        self.down = nn.Conv1d(width, rank, 1)
        self.up = nn.Conv1d(rank, width, 1)
        nn.init.normal_(self.up.weight, std=0.05)

    def forward(self, x):
        return x + self.up(F.gelu(self.down(x)))


class Stage(nn.Module):
    def __init__(self, inputs, width):
        super().__init__()
        self.conv = nn.Conv1d(inputs, width, 3, padding=1)
        self.adapter = Adapter(width)

    def forward(self, x):
        return self.adapter(torch.relu(self.conv(x)))


class OutlineNet(nn.Module):
    def __init__(self, width=12, train_backbone=False):
        super().__init__()
        self.train_backbone = train_backbone
        self.stages = nn.ModuleList([Stage(2, width), Stage(width, width)])
        self.head = nn.Conv1d(width, 1, 1)

    def forward(self, x):
        for stage in self.stages:
            x = stage(x)
        return self.head(x).squeeze(1)


def strips(n, length=40):
    edge = torch.randint(8, 32, (n, 1))
    mask = (torch.arange(length)[None] < edge).float()
    signal = torch.stack([mask, 1 - mask], 1) + 0.5 * torch.randn(n, 2, length)
    return signal, mask


def main():
    torch.manual_seed(17)
    signal, mask = strips(160)
    net = OutlineNet()
    for name, parameter in net.named_parameters():
        parameter.requires_grad = "conv" not in name
    optimizer = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad], lr=1e-2)
    for epoch in range(5):
        for rows in torch.randperm(160).split(32):
            loss = F.binary_cross_entropy_with_logits(net(signal[rows]), mask[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(epoch, round(loss.item(), 4))


if __name__ == "__main__":
    main()
