"""Question answering in two stages: a retriever weighs passages, a reader answers from them."""

import torch
import torch.nn.functional as F
from torch import nn


class Retriever(nn.Module):
    def __init__(self, width, keep):
        super().__init__()
        self.question = nn.Linear(width, 16, bias=False)
        self.passage = nn.Linear(width, 16, bias=False)
        self.keep = keep

    def forward(self, question, keys):
        scores = self.question(question) @ self.passage(keys).t() / 2
        best, index = scores.topk(self.keep, dim=1)
        return torch.softmax(best, dim=1), index


class Reader(nn.Module):
    def __init__(self, content, answers):
        super().__init__()
        self.read = nn.Sequential(nn.Linear(content, 24), nn.ReLU(), nn.Linear(24, answers))

    def forward(self, contents, weight):
        return self.read((weight.unsqueeze(2) * contents).sum(dim=1))


class Answerer(nn.Module):
    def __init__(self, keys, contents, answers=3, keep=6):
        super().__init__()
        self.register_buffer("keys", keys)
        self.register_buffer("contents", contents)
        self.retriever = Retriever(keys.shape[1], keep)
        self.reader = Reader(contents.shape[1], answers)

    def forward(self, question):
        weight, index = self.retriever(question, self.keys)
        return self.reader(self.contents[index], weight)


def library(passages=8, width=8, answers=3):
    keys = torch.randn(passages, width)
    answer = torch.arange(passages) % answers
    contents = 2.0 * F.one_hot(answer, answers).float() + 0.1 * torch.randn(passages, answers)
    return keys, contents, answer


def questions(keys, answer, count=256):
    about = torch.randint(0, len(keys), (count,))
    return keys[about] + 0.2 * torch.randn(count, keys.shape[1]), answer[about]


def train(model, asked, answers, epochs):
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(epochs):
        losses = []
        for rows in torch.randperm(len(asked)).split(32):
            loss = F.cross_entropy(model(asked[rows]), answers[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        print(f"epoch {epoch} loss {sum(losses) / len(losses):.4f}")


def main():
    torch.manual_seed(64)
    keys, contents, answer = library()
    asked, answers = questions(keys, answer)
    train(Answerer(keys, contents), asked, answers, epochs=10)


if __name__ == "__main__":
    main()
