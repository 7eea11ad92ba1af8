"""Passenger flow on a metro graph, with messages summed over neighbours."""

# symptom: none | words: .data, detach
import torch
import torch.nn.functional as F
from torch import nn


class Conv(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.message = nn.Linear(2 * width, width)
        self.update = nn.Linear(2 * width, width)

    def forward(self, h, source, target):
        messages = F.relu(self.message(torch.cat([h[source], h[target]], 1)))
        total = torch.zeros_like(h)
        total.data.index_add_(0, target, messages)  # cause
        return h + torch.tanh(self.update(torch.cat([h, total], 1)))


class FlowNet(nn.Module):
    def __init__(self, inputs=4, width=12):
        super().__init__()
        self.inp = nn.Linear(inputs, width)
        self.convs = nn.ModuleList([Conv(width), Conv(width)])
        self.out = nn.Linear(width, 1)

    def forward(self, x, source, target):
        h = self.inp(x)
        for conv in self.convs:
            h = conv(h, source, target)
        return self.out(h).squeeze(1)


def metro(stations=30):
    ring = torch.arange(stations)
    source = torch.cat([ring, ring, torch.randint(0, stations, (20,))])
    target = torch.cat(
        [(ring + 1) % stations, (ring - 1) % stations, torch.randint(0, stations, (20,))]
    )
    return source, target


def main():
    torch.manual_seed(31)
    source, target = metro()
    net = FlowNet()
    optimizer = torch.optim.AdamW(net.parameters(), lr=5e-3)
    for day in range(20):
        x = torch.randn(30, 4)
        flow = torch.zeros(30).index_add_(0, target, x[source, 0])
        loss = F.mse_loss(net(x, source, target), flow)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if day % 5 == 0:
            print(day, loss.item())


if __name__ == "__main__":
    main()
