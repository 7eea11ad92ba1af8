"""Several tags per leaf photograph, from a convolutional net whose channels are gated."""

import torch
import torch.nn.functional as F
from torch import nn


class ChannelGate(nn.Module):
    def __init__(self, channels, reduced):
        super().__init__()
        self.squeeze = nn.Linear(channels, reduced)
        self.excite = nn.Linear(reduced, channels)

    def forward(self, maps):
        pooled = maps.mean(dim=(2, 3))
        strength = torch.sigmoid(self.excite(F.silu(self.squeeze(pooled))))
        return strength.view(*strength.shape, 1, 1)


class Block(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.gate = ChannelGate(outputs, 4)

    def forward(self, x):
        maps = F.relu(self.conv(x))
        return F.avg_pool2d(maps * self.gate(maps), 2)


class Tagger(nn.Module):
    def __init__(self, tags=4):
        super().__init__()
        self.blocks = nn.Sequential(Block(1, 8), Block(8, 12))
        self.tags = nn.Linear(12 * 9, tags)

    def forward(self, image):
        return self.tags(self.blocks(image).flatten(1))


class Photographs(torch.utils.data.Dataset):
    def __init__(self, count):
        self.tags = (torch.rand(count, 4) < 0.4).float()
        corners = torch.zeros(4, 12, 12)
        corners[0, :6, :6], corners[1, :6, 6:] = 1, 1
        corners[2, 6:, :6], corners[3, 6:, 6:] = -1, -1
        self.images = torch.einsum("nt,thw->nhw", self.tags, corners).unsqueeze(1)
        self.images = self.images + 0.7 * torch.randn(count, 1, 12, 12)

    def __len__(self):
        return len(self.tags)

    def __getitem__(self, index):
        return self.images[index], self.tags[index]


def main():
    torch.manual_seed(77)
    loader = torch.utils.data.DataLoader(Photographs(160), batch_size=32, shuffle=True)
    model = Tagger()
    optimizer = torch.optim.RMSprop(model.parameters(), lr=2e-3)
    for epoch in range(8):
        total = 0.0
        for image, tags in loader:
            loss = F.binary_cross_entropy_with_logits(model(image), tags)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        print(f"epoch {epoch} loss {total / len(loader):.4f}")


if __name__ == "__main__":
    main()
