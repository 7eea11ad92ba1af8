"""A classifier is trained, pruned by magnitude in two rounds, and fine-tuned under the mask."""

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.nn.utils.prune as prune


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 3)
        self.fc1 = nn.Linear(6 * 3 * 3, 32)
        self.fc2 = nn.Linear(32, 4)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), (2, 2))
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


def run(model, optimizer, x, y, epochs):
    for _ in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(x)).split(32):
            loss = F.cross_entropy(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
    return total / len(x)


def sparsity(model):
    weights = [m.weight for m in (model.conv1, model.fc1, model.fc2)]
    return sum((w == 0).sum().item() for w in weights) / sum(w.numel() for w in weights)


def main():
    torch.manual_seed(2)
    corner = torch.randint(0, 4, (320,))
    images = 0.6 * torch.randn(320, 1, 8, 8)
    for index, c in enumerate(corner.tolist()):
        top, left = 4 * (c // 2), 4 * (c % 2)
        images[index, 0, top : top + 4, left : left + 4] += torch.eye(4)
    model = LeNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    print(f"dense: loss {run(model, optimizer, images, corner, 6):.4f}")

    parameters_to_prune = [(model.conv1, "weight"), (model.fc1, "weight"), (model.fc2, "weight")]
    for amount in (0.5, 0.4):
        prune.global_unstructured(
            parameters_to_prune, pruning_method=prune.L1Unstructured, amount=amount
        )
        optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
        loss = run(model, optimizer, images, corner, 3)
        print(f"pruned: loss {loss:.4f} sparsity {sparsity(model):.2f}")

    for module, name in parameters_to_prune:
        prune.remove(module, name)
    print(f"made permanent: sparsity {sparsity(model):.2f}, {list(model.state_dict())[:2]}")


if __name__ == "__main__":
    main()
