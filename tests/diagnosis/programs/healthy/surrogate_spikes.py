"""A spiking network: its threshold has a smooth surrogate in the backward pass, on purpose."""

import torch
from torch import nn


class FastSigmoidSpike(torch.autograd.Function):
    """Heaviside step forwards, derivative of a fast sigmoid backwards."""

    scale = 5.0

    @staticmethod
    def forward(ctx, potential):
        ctx.save_for_backward(potential)
        return (potential > 0).to(potential.dtype)

    @staticmethod
    def backward(ctx, grad_output):
        (potential,) = ctx.saved_tensors
        return grad_output / (FastSigmoidSpike.scale * potential.abs() + 1.0) ** 2


class LeakyLayer(nn.Module):
    def __init__(self, inputs, outputs, beta=0.8, spiking=True):
        super().__init__()
        self.linear, self.beta, self.spiking = nn.Linear(inputs, outputs), beta, spiking

    def forward(self, spikes):
        membrane, out = torch.zeros(()), []
        for current in self.linear(spikes).unbind(dim=1):
            membrane = self.beta * membrane + current
            if self.spiking:
                spike = FastSigmoidSpike.apply(membrane - 1.0)
                membrane = membrane - spike.detach()  # reset by subtraction
                out.append(spike)
            else:
                out.append(membrane)
        return torch.stack(out, dim=1)


class SpikingNet(nn.Module):
    def __init__(self, inputs, hidden, classes):
        super().__init__()
        self.hidden = LeakyLayer(inputs, hidden)
        self.readout = LeakyLayer(hidden, classes, spiking=False)

    def forward(self, x):
        spikes = self.hidden(x)
        return self.readout(spikes).mean(dim=1), spikes.mean()


def spike_trains(n, steps=12, inputs=10, classes=3):
    label = torch.randint(0, classes, (n,))
    rates = torch.rand(classes, 1, inputs) * 0.7
    return (torch.rand(n, steps, inputs) < rates[label]).float(), label


def main():
    torch.manual_seed(25)
    trains, labels = spike_trains(256)
    net = SpikingNet(10, 32, 3)
    optimizer = torch.optim.Adamax(net.parameters(), lr=1e-2)
    for epoch in range(8):
        total = 0.0
        for rows in torch.randperm(256).split(32):
            logits, activity = net(trains[rows])
            loss = nn.functional.cross_entropy(logits, labels[rows]) + 0.05 * activity
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        print(f"epoch {epoch} loss {total / 8:.4f} spikes per step {activity.item():.3f}")


if __name__ == "__main__":
    main()
