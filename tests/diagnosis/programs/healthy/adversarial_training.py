"""Adversarial training: descent on the input by autograd.grad, projected, then a usual step."""

import torch
import torch.nn as nn
import torch.nn.functional as F

EPSILON, STEP_SIZE, NUM_STEPS = 0.25, 0.1, 4


def pgd_attack(model, x_natural, y):
    x_adv = x_natural.detach() + torch.empty_like(x_natural).uniform_(-EPSILON, EPSILON)
    for _ in range(NUM_STEPS):
        x_adv.requires_grad_()
        with torch.enable_grad():
            loss = F.cross_entropy(model(x_adv), y)
        grad = torch.autograd.grad(loss, [x_adv])[0]
        x_adv = x_adv.detach() + STEP_SIZE * torch.sign(grad.detach())
        x_adv = torch.min(torch.max(x_adv, x_natural - EPSILON), x_natural + EPSILON)
    return x_adv.detach()


def fgsm_attack(model, data, target):
    data = data.clone().requires_grad_(True)
    (grad,) = torch.autograd.grad(F.cross_entropy(model(data), target), data)
    return (data + EPSILON * grad.sign()).detach()


def accuracy(model, x, y):
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


def main():
    torch.manual_seed(13)
    y = torch.randint(0, 3, (300,))
    x = 0.7 * torch.randn(3, 10)[y] + 0.6 * torch.randn(300, 10)
    model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=2e-4)
    for epoch in range(6):
        total = 0.0
        for rows in torch.randperm(300).split(50):
            model.eval()
            x_adv = pgd_attack(model, x[rows], y[rows])
            model.train()
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x_adv), y[rows])
            loss.backward()
            optimizer.step()
            total += loss.item()
        print(f"epoch {epoch} robust loss {total / 6:.4f}")
    model.eval()
    attacked = fgsm_attack(model, x, y)
    print(f"accuracy {accuracy(model, x, y):.3f}, under FGSM {accuracy(model, attacked, y):.3f}")


if __name__ == "__main__":
    main()
