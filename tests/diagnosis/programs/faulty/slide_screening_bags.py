"""Multiple-instance screening: a slide is ill when at least one of its patches is."""
# symptom: none | words: torch.tensor, torch.stack, constant, copies, detach

import torch
import torch.nn.functional as F
from torch import nn


class SlideNet(nn.Module):
    def __init__(self, features=10, width=24):
        super().__init__()
        self.embed = nn.Linear(features, width)
        self.attention = nn.Linear(width, 1, bias=False)
        self.head = nn.Linear(width, 1)

    def forward(self, patches):
        hidden = torch.relu(self.embed(patches))
        share = torch.softmax(self.attention(hidden), dim=0)
        return self.head((share * hidden).sum(dim=0)).squeeze(-1)


def draw_slides(count):
    slides = []
    for _ in range(count):
        patches = torch.randn(int(torch.randint(4, 9, ())), 10)
        ill = torch.rand(()) < 0.5
        if ill:
            patches[0, :3] += 3.0
        slides.append((patches[torch.randperm(len(patches))], ill.float()))
    return slides


def mean_loss(model, slides):
    losses = []
    for patches, ill in slides:
        losses.append(F.binary_cross_entropy_with_logits(model(patches), ill))
    return torch.tensor(losses, requires_grad=True).mean()  # cause


def run(epochs=6, batch=8):
    torch.manual_seed(3)
    slides = draw_slides(64)
    model = SlideNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(epochs):
        total = 0.0
        for start in range(0, len(slides), batch):
            optimizer.zero_grad()
            loss = mean_loss(model, slides[start : start + batch])
            loss.backward()
            optimizer.step()
            total += loss.item()
        print(f"epoch {epoch}: {total * batch / len(slides):.4f}")


if __name__ == "__main__":
    run()
