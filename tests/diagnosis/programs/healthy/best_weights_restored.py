"""Training and validation phases; the best weights are kept by deepcopy and loaded at the end."""

import copy

import torch
import torch.nn as nn
import torch.optim as optim
from torch.optim import lr_scheduler


def make_data(n):
    """Two rings that overlap a little."""
    label = torch.randint(0, 2, (n,))
    radius = 1.0 + label + 0.35 * torch.randn(n)
    angle = 6.2832 * torch.rand(n)
    points = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)
    return torch.utils.data.TensorDataset(points, label)


def train_model(model, dataloaders, criterion, optimizer, scheduler, num_epochs):
    best_model_wts = copy.deepcopy(model.state_dict())
    best_acc = 0.0
    for epoch in range(num_epochs):
        for phase in ["train", "val"]:
            model.train(phase == "train")
            running_loss, running_corrects = 0.0, 0
            for inputs, labels in dataloaders[phase]:
                optimizer.zero_grad()
                # track history if only in train
                with torch.set_grad_enabled(phase == "train"):
                    outputs = model(inputs)
                    _, preds = torch.max(outputs, 1)
                    loss = criterion(outputs, labels)
                    # backward + optimize only if in training phase
                    if phase == "train":
                        loss.backward()
                        optimizer.step()
                running_loss += loss.item() * inputs.size(0)
                running_corrects += torch.sum(preds == labels.data).item()
            if phase == "train":
                scheduler.step()
            n = len(dataloaders[phase].dataset)
            epoch_acc = running_corrects / n
            print(f"{epoch} {phase} Loss: {running_loss / n:.4f} Acc: {epoch_acc:.4f}")
            # deep copy the model
            if phase == "val" and epoch_acc > best_acc:
                best_acc = epoch_acc
                best_model_wts = copy.deepcopy(model.state_dict())
    print(f"Best val Acc: {best_acc:.4f}")
    model.load_state_dict(best_model_wts)
    return model


if __name__ == "__main__":
    torch.manual_seed(35)
    datasets = {"train": make_data(320), "val": make_data(160)}
    loaders = {
        phase: torch.utils.data.DataLoader(data, batch_size=32, shuffle=phase == "train")
        for phase, data in datasets.items()
    }
    net = nn.Sequential(
        nn.Linear(2, 32, bias=False), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 2)
    )
    sgd = optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    steps = lr_scheduler.StepLR(sgd, step_size=4, gamma=0.3)
    train_model(net, loaders, nn.CrossEntropyLoss(), sgd, steps, num_epochs=8)
