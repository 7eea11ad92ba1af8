"""Knowledge distillation: a wide teacher is trained, then a student learns its logits."""

import torch
import torch.nn as nn
import torch.optim as optim


class DeepNN(nn.Module):
    def __init__(self, num_classes=5):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()
        )
        self.classifier = nn.Sequential(
            nn.Linear(16 * 16, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, num_classes)
        )

    def forward(self, x):
        return self.classifier(self.features(x))


class LightNN(nn.Module):
    def __init__(self, num_classes=5):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()
        )
        self.classifier = nn.Linear(4 * 16, num_classes)

    def forward(self, x):
        return self.classifier(self.features(x))


def train(model, train_loader, epochs, learning_rate):
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=learning_rate)
    model.train()
    for epoch in range(epochs):
        running_loss = 0.0
        for inputs, labels in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(inputs), labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
        print(f"Epoch {epoch + 1}/{epochs}, Loss: {running_loss / len(train_loader):.4f}")


def train_knowledge_distillation(teacher, student, train_loader, epochs, learning_rate, T, weight):
    ce_loss = nn.CrossEntropyLoss()
    optimizer = optim.Adam(student.parameters(), lr=learning_rate)
    teacher.eval()  # Teacher set to evaluation mode
    student.train()  # Student to train mode
    for epoch in range(epochs):
        running_loss = 0.0
        for inputs, labels in train_loader:
            optimizer.zero_grad()
            with torch.no_grad():
                teacher_logits = teacher(inputs)
            student_logits = student(inputs)
            soft_targets = nn.functional.softmax(teacher_logits / T, dim=-1)
            soft_prob = nn.functional.log_softmax(student_logits / T, dim=-1)
            soft_targets_loss = (
                torch.sum(soft_targets * (soft_targets.log() - soft_prob)) / len(soft_prob) * T**2
            )
            label_loss = ce_loss(student_logits, labels)
            loss = weight * soft_targets_loss + (1 - weight) * label_loss
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
        print(f"Epoch {epoch + 1}/{epochs}, Loss: {running_loss / len(train_loader):.4f}")


@torch.no_grad()
def test(model, test_loader):
    model.eval()
    hits = sum((model(x).argmax(1) == y).sum().item() for x, y in test_loader)
    return 100 * hits / len(test_loader.dataset)


def main():
    torch.manual_seed(42)
    patterns = torch.randn(5, 1, 8, 8)
    labels = torch.randint(0, 5, (480,))
    images = patterns[labels] + 1.2 * torch.randn(480, 1, 8, 8)
    data = torch.utils.data.TensorDataset(images, labels)
    train_set, test_set = torch.utils.data.Subset(data, range(384)), data[384:]
    train_loader = torch.utils.data.DataLoader(train_set, batch_size=48, shuffle=True)
    test_loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(*test_set), batch_size=48
    )
    teacher, student = DeepNN(), LightNN()
    train(teacher, train_loader, epochs=4, learning_rate=5e-3)
    print(f"Teacher accuracy: {test(teacher, test_loader):.1f}%")
    train_knowledge_distillation(
        teacher, student, train_loader, epochs=6, learning_rate=1e-2, T=2, weight=0.25
    )
    print(f"Student accuracy: {test(student, test_loader):.1f}%")


if __name__ == "__main__":
    main()
