"""Transfer learning: a pretrained convolutional network is fixed under a new head."""

import torch
import torch.nn as nn
import torch.optim as optim


class SmallNet(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 12, 3, padding=1, bias=False),
            nn.BatchNorm2d(12),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(12, 24, 3, padding=1, bias=False),
            nn.BatchNorm2d(24),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
        )
        self.fc = nn.Linear(96, num_classes)

    def forward(self, x):
        return self.fc(self.features(x))


class FrozenFeatures(SmallNet):
    """Keeps the running statistics of its features when the model is put into train mode."""

    def train(self, mode=True):
        super().train(mode)
        self.features.eval()
        return self


def glyphs(shapes, n):
    label = torch.randint(0, len(shapes), (n,))
    image = shapes[label] + 0.5 * torch.randn(n, 1, 10, 10)
    return torch.utils.data.TensorDataset(image, label)


def train_model(model, dataloader, optimizer, num_epochs):
    criterion = nn.CrossEntropyLoss()
    for epoch in range(num_epochs):
        model.train()
        running_loss, running_corrects = 0.0, 0
        for inputs, labels in dataloader:
            optimizer.zero_grad()
            outputs = model(inputs)
            loss = criterion(outputs, labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item() * inputs.size(0)
            running_corrects += (outputs.argmax(1) == labels).sum().item()
        n = len(dataloader.dataset)
        print(f"Epoch {epoch} Loss: {running_loss / n:.4f} Acc: {running_corrects / n:.4f}")


def main():
    torch.manual_seed(0)
    shapes = (torch.rand(9, 1, 10, 10) > 0.6).float() * 2 - 1
    many = torch.utils.data.DataLoader(glyphs(shapes[:6], 320), batch_size=32, shuffle=True)
    few = torch.utils.data.DataLoader(glyphs(shapes[6:], 96), batch_size=16, shuffle=True)
    pretrained = SmallNet(num_classes=6)
    train_model(pretrained, many, optim.Adam(pretrained.parameters(), lr=5e-3), num_epochs=3)

    model_conv = FrozenFeatures(num_classes=6)
    model_conv.load_state_dict(pretrained.state_dict())
    for param in model_conv.parameters():
        param.requires_grad = False
    # Parameters of newly constructed modules have requires_grad=True by default
    model_conv.fc = nn.Linear(model_conv.fc.in_features, 3)
    optimizer_conv = optim.SGD(model_conv.fc.parameters(), lr=0.02, momentum=0.9)
    train_model(model_conv, few, optimizer_conv, num_epochs=6)


if __name__ == "__main__":
    main()
