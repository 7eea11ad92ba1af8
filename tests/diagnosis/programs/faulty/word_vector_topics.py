"""Topics of short messages, read with ready-made word vectors that are meant to stay fixed."""
# symptom: moves | words: requires_grad, unfrozen, frozen, unfreez

import torch
import torch.nn.functional as F
from torch import nn


class TopicNet(nn.Module):
    def __init__(self, vectors, topics, width=20):
        super().__init__()
        words, size = vectors.shape
        self.vectors = nn.Embedding(words, size, _weight=vectors.clone())
        self.vectors.requires_grad_(False)
        self.recurrent = nn.GRU(size, width, batch_first=True)
        self.topic = nn.Linear(width, topics)

    def forward(self, message):
        _, last = self.recurrent(self.vectors(message))
        return self.topic(last[0])


def prepare(model):
    """Leaves nothing behind of an earlier run."""
    for parameter in model.parameters():
        parameter.grad = None
        parameter.requires_grad = True  # cause
    return model.train()


def messages(vectors, count=200, length=7):
    message = torch.randint(0, len(vectors), (count, length))
    meaning = vectors[message].mean(dim=1)
    return message, meaning[:, :4].argmax(dim=1)


class Run:
    def __init__(self, model, lr=1e-2):
        self.model = prepare(model)
        self.optimizer = torch.optim.Adam(model.parameters(), lr=lr)

    def epoch(self, message, topic):
        losses = []
        for rows in torch.randperm(len(message)).split(40):
            loss = F.cross_entropy(self.model(message[rows]), topic[rows])
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            losses.append(loss.item())
        return sum(losses) / len(losses)


def main():
    torch.manual_seed(231)
    vectors = torch.randn(60, 10)
    message, topic = messages(vectors)
    run = Run(TopicNet(vectors, topics=4))
    for epoch in range(8):
        print(f"epoch {epoch}: loss {run.epoch(message, topic):.4f}")


if __name__ == "__main__":
    main()
