"""Which members of a network are friends; the rate grows while successive gradients agree."""
# symptom: stale | words: clone, alias, same tensor, same storage, in place, in-place

import torch
import torch.nn.functional as F
from torch import nn


class LinkModel(nn.Module):
    def __init__(self, features, size=8):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(features, 24), nn.ReLU(), nn.Linear(24, size))
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, members, left, right):
        place = self.layers(members)
        return (place[left] * place[right]).sum(dim=1) + self.bias


def society(members=60, groups=3):
    group = torch.randint(0, groups, (members,))
    features = torch.randn(groups, 10)[group] + 0.8 * torch.randn(members, 10)
    left, right = torch.triu_indices(members, members, offset=1)
    chance = torch.where(group[left] == group[right], 0.8, 0.1)
    return features, left, right, torch.bernoulli(chance)


def agreement(gradients, earlier):
    pairs = list(zip(gradients, earlier, strict=True))
    product = sum((g * e).sum() for g, e in pairs)
    norms = [sum(each.pow(2).sum() for each in side).sqrt() for side in zip(*pairs, strict=True)]
    return (product / (norms[0] * norms[1] + 1e-12)).item()


def main():
    torch.manual_seed(6)
    members, left, right, friends = society()
    model = LinkModel(members.shape[1])
    rate, earlier = 0.02, None
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    for step in range(100):
        optimizer.zero_grad(set_to_none=False)
        pairs = torch.randint(0, len(friends), (64,))
        logits = model(members, left[pairs], right[pairs])
        loss = F.binary_cross_entropy_with_logits(logits, friends[pairs])
        loss.backward()
        gradients = [p.grad for p in model.parameters()]
        if earlier is not None:
            agreed = agreement(gradients, earlier)
            rate = min(0.3, rate * 1.1) if agreed > 0.3 else max(0.01, rate * 0.8)
            for group in optimizer.param_groups:
                group["lr"] = rate
        earlier = gradients  # cause
        optimizer.step()
        if step % 20 == 1:
            print(f"step {step}: loss {loss.item():.4f}, agreement {agreed:.3f}, rate {rate:.4f}")


if __name__ == "__main__":
    main()
