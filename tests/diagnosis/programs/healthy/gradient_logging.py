"""Image regression with a log of gradients and updates that passes over what is frozen."""

import logging

import torch
import torch.nn as nn

logger = logging.getLogger("train")


class Counter(nn.Module):
    """Counts bright spots; its first layer is a fixed blur."""

    def __init__(self):
        super().__init__()
        self.blur = nn.Conv2d(1, 1, 3, padding=1, bias=False)
        nn.init.constant_(self.blur.weight, 1 / 9)
        self.blur.weight.requires_grad_(False)
        self.conv = nn.Conv2d(1, 8, 3, padding=1)
        self.out = nn.Linear(8, 1)

    def forward(self, x):
        x = torch.relu(self.conv(x - self.blur(x)))
        return self.out(x.sum(dim=(2, 3)) / 16).squeeze(1)


class GradientLog:
    def __init__(self, model):
        self.model, self.rows = model, []

    def gradients(self, step):
        norms = {}
        for name, p in self.model.named_parameters():
            if p.grad is not None:
                norms[name] = p.grad.detach().norm(2).item()
                if not torch.isfinite(p.grad).all():
                    logger.warning("gradient of %s is not finite in step %d", name, step)
        total = sum(v**2 for v in norms.values()) ** 0.5
        self.rows.append((step, total, norms))
        return total

    def updates(self, before):
        with torch.no_grad():
            return {
                name: ((p.data - before[name]).norm() / (before[name].norm() + 1e-12)).item()
                for name, p in self.model.named_parameters()
                if p.grad is not None
            }


def starry(n):
    count = torch.randint(0, 8, (n,))
    sky = 0.05 * torch.randn(n, 1, 12, 12)
    for i, c in enumerate(count.tolist()):
        sky.view(n, -1)[i, torch.randperm(144)[:c]] += 1.0
    return sky, count.float()


def main():
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.manual_seed(37)
    sky, count = starry(256)
    model = Counter()
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    log = GradientLog(model)
    for step in range(121):
        rows = torch.randint(0, 256, (32,))
        loss = nn.functional.smooth_l1_loss(model(sky[rows]), count[rows])
        optimizer.zero_grad()
        loss.backward()
        total = log.gradients(step)
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        optimizer.step()
        if step % 30 == 0:
            ratios = " ".join(f"{k} {v:.4f}" for k, v in log.updates(before).items())
            logger.info("step %d loss %.4f norm %.4f | %s", step, loss.item(), total, ratios)


if __name__ == "__main__":
    main()
