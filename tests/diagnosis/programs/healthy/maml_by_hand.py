"""MAML with fast weights kept in a list: the inner gradients are part of the outer graph."""

import torch
import torch.nn.functional as F
from torch import nn


class Learner(nn.Module):
    """A classifier whose weights can be handed in."""

    def __init__(self, inputs, hidden, ways):
        super().__init__()
        self.vars = nn.ParameterList()
        for rows, columns in ((hidden, inputs), (ways, hidden)):
            weight = nn.Parameter(torch.empty(rows, columns))
            nn.init.kaiming_normal_(weight)
            self.vars.append(weight)
            self.vars.append(nn.Parameter(torch.zeros(rows)))

    def forward(self, x, fast_weights=None):
        w1, b1, w2, b2 = self.vars if fast_weights is None else fast_weights
        return F.linear(F.relu(F.linear(x, w1, b1)), w2, b2)


class Meta(nn.Module):
    def __init__(self, net, update_lr, meta_lr, update_step):
        super().__init__()
        self.net, self.update_lr, self.update_step = net, update_lr, update_step
        self.meta_optim = torch.optim.Adam(self.net.parameters(), lr=meta_lr)

    def inner(self, x_spt, y_spt, create_graph):
        weights = list(self.net.parameters())
        for _ in range(self.update_step):
            loss = F.cross_entropy(self.net(x_spt, weights), y_spt)
            grad = torch.autograd.grad(loss, weights, create_graph=create_graph)
            weights = [w - self.update_lr * g for w, g in zip(weights, grad, strict=True)]
        return weights

    def forward(self, tasks):
        losses_q, corrects = [], []
        for x_spt, y_spt, x_qry, y_qry in tasks:
            fast_weights = self.inner(x_spt, y_spt, create_graph=True)
            logits_q = self.net(x_qry, fast_weights)
            losses_q.append(F.cross_entropy(logits_q, y_qry))
            with torch.no_grad():
                corrects.append((logits_q.argmax(dim=1) == y_qry).float().mean())
        loss_q = sum(losses_q) / len(tasks)
        self.meta_optim.zero_grad()
        loss_q.backward()
        self.meta_optim.step()
        return loss_q.item(), torch.stack(corrects).mean().item()

    def finetunning(self, x_spt, y_spt, x_qry, y_qry):
        fast_weights = self.inner(x_spt, y_spt, create_graph=False)
        with torch.no_grad():
            return (self.net(x_qry, fast_weights).argmax(1) == y_qry).float().mean().item()


def draw_task(ways=3, shots=4, queries=8, size=6):
    center = torch.randn(ways, size)
    center[:, 3:] = 0.0  # what tells classes apart lies in the first entries only
    y_spt, y_qry = torch.arange(ways).repeat(shots), torch.arange(ways).repeat(queries)
    noise = torch.tensor([0.3] * 3 + [1.5] * 3)
    x_spt = center[y_spt] + noise * torch.randn(len(y_spt), size)
    return x_spt, y_spt, center[y_qry] + noise * torch.randn(len(y_qry), size), y_qry


def main():
    torch.manual_seed(222)
    maml = Meta(Learner(6, 24, 3), update_lr=0.3, meta_lr=1e-2, update_step=2)
    for step in range(60):
        loss, accuracy = maml([draw_task() for _ in range(4)])
        if step % 15 == 0:
            print(f"step: {step} \tloss {loss:.4f} training acc: {accuracy:.3f}")
    accs = [maml.finetunning(*draw_task()) for _ in range(20)]
    print(f"Test acc: {sum(accs) / len(accs):.3f}")


if __name__ == "__main__":
    main()
