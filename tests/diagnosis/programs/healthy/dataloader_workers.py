"""Landmark regression with a dataset that two worker processes draw and augment."""

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, default_collate


class FaceLandmarksDataset(Dataset):
    """Discs in noise; the target is where the centre lies."""

    def __init__(self, n, size=12, transform=None):
        self.n, self.size, self.transform = n, size, transform

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        rng = np.random.default_rng(index)
        center = rng.uniform(3, self.size - 3, size=2)
        rows, columns = np.mgrid[: self.size, : self.size]
        disc = ((rows - center[0]) ** 2 + (columns - center[1]) ** 2 < 6).astype(np.float32)
        image = disc + 0.1 * rng.standard_normal(disc.shape).astype(np.float32)
        sample = {"image": image, "landmark": (center / self.size).astype(np.float32)}
        return self.transform(sample) if self.transform else sample


class FlipAndToTensor:
    def __call__(self, sample):
        image, landmark = sample["image"], sample["landmark"].copy()
        if torch.rand(()) < 0.5:
            image = image[:, ::-1].copy()
            landmark[1] = (image.shape[1] - 1) / image.shape[1] - landmark[1]
        return {"image": torch.from_numpy(image)[None], "landmark": torch.from_numpy(landmark)}


class LandmarkNet(nn.Module):
    def __init__(self, size=12, width=8):
        super().__init__()
        self.conv = nn.Conv2d(1, width, 5, padding=2)
        self.out = nn.Linear(width * (size // 2) ** 2, 2)

    def forward(self, image):
        return self.out(nn.functional.max_pool2d(torch.relu(self.conv(image)), 2).flatten(1))


def main():
    torch.manual_seed(68)
    dataset = FaceLandmarksDataset(256, transform=FlipAndToTensor())
    loader = DataLoader(
        dataset,
        batch_size=32,
        shuffle=True,
        num_workers=2,
        persistent_workers=True,
        collate_fn=default_collate,
    )
    net = LandmarkNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for epoch in range(5):
        total = 0.0
        for batch in loader:
            loss = nn.functional.mse_loss(net(batch["image"]), batch["landmark"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        print(f"epoch {epoch} loss {total / len(loader):.5f}")


if __name__ == "__main__":
    main()
