"""Topics of headlines: softmax regression on word counts, with the update written out."""
# symptom: lost | words: rebind, rebound, reassign, new tensor, in place, in-place, local name

import torch
import torch.nn.functional as F


def headlines(n, vocabulary=40, topics=4, words=9):
    topic = torch.randint(0, topics, (n,))
    typical = torch.rand(topics, vocabulary).pow(4)
    drawn = torch.multinomial(typical[topic], words, replacement=True)
    counts = torch.zeros(n, vocabulary).scatter_add_(1, drawn, torch.ones(n, words))
    return counts, topic


def start(vocabulary, width, topics):
    scale = vocabulary**-0.5
    return [
        (scale * torch.randn(vocabulary, width)).requires_grad_(),
        torch.zeros(width, requires_grad=True),
        (width**-0.5 * torch.randn(width, topics)).requires_grad_(),
        torch.zeros(topics, requires_grad=True),
    ]


def scores(parameters, counts):
    words, shift, topics, prior = parameters
    return torch.tanh(counts @ words + shift) @ topics + prior


def clear(parameters):
    for p in parameters:
        p.grad = None


def descend(parameters, rate):
    with torch.no_grad():
        for p in parameters:
            p = p - rate * p.grad  # cause


def main():
    torch.manual_seed(31)
    counts, topic = headlines(400)
    parameters = start(40, 16, 4)
    for epoch in range(10):
        total = 0.0
        for rows in torch.randperm(len(topic)).split(40):
            loss = F.cross_entropy(scores(parameters, counts[rows]), topic[rows])
            clear(parameters)
            loss.backward()
            descend(parameters, rate=0.3)
            total += loss.item()
        print(f"epoch {epoch}: {total / 10:.4f}")


if __name__ == "__main__":
    main()
