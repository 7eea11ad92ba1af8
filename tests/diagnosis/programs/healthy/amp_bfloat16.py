"""Automatic mixed precision on the CPU: autocast to bfloat16, with a GradScaler and clipping."""

import torch
import torch.nn.functional as F
from torch import nn


def make_model(in_size, out_size, num_layers, width=48):
    layers = [nn.Linear(in_size, width), nn.ReLU()]
    for _ in range(num_layers - 1):
        layers += [nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, out_size))


def main():
    torch.manual_seed(6)
    x = torch.randn(320, 10)
    y = torch.stack([x[:, 0] * x[:, 1], x[:, 2].abs(), x[:, 3:5].sum(dim=1)], dim=1)
    net = make_model(10, 3, num_layers=3)
    opt = torch.optim.Adam(net.parameters(), lr=4e-3)
    scaler = torch.amp.GradScaler("cpu", growth_interval=20)
    for epoch in range(10):
        total = 0.0
        for rows in torch.randperm(320).split(40):
            with torch.autocast(device_type="cpu", dtype=torch.bfloat16):
                output = net(x[rows])
                loss = F.mse_loss(output.float(), y[rows])
            scaler.scale(loss).backward()
            # Unscales the gradients of optimizer's assigned params in-place
            scaler.unscale_(opt)
            torch.nn.utils.clip_grad_norm_(net.parameters(), max_norm=5.0)
            scaler.step(opt)
            scaler.update()
            opt.zero_grad()
            total += loss.item()
        if epoch % 3 == 0:
            print(f"epoch {epoch} loss {total / 8:.4f} scale {scaler.get_scale():.0f}")


if __name__ == "__main__":
    main()
