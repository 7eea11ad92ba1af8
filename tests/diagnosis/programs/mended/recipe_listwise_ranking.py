"""Listwise ranking of recipes for a query, one list of candidates at a time."""

# healthy
import torch
import torch.nn.functional as F
from torch import nn


class Scorer(nn.Module):
    def __init__(self, words=40, width=12):
        super().__init__()
        self.words = nn.EmbeddingBag(words, width, mode="mean")
        self.match = nn.Bilinear(width, width, 1)

    def forward(self, query, recipe):
        return self.match(self.words(query), self.words(recipe)).squeeze()


def listnet(scores, relevance):
    return -(F.softmax(relevance, 0) * F.log_softmax(scores, 0)).sum()


def make_lists(n, candidates=5, words=40):
    lists = []
    for _ in range(n):
        query = torch.randint(0, words, (1, 3))
        recipes = torch.randint(0, words, (candidates, 6))
        best = torch.randint(0, candidates, ()).item()
        recipes[best, :3] = query[0]
        relevance = torch.zeros(candidates)
        relevance[best] = 4.0
        lists.append((query, recipes, relevance))
    return lists


def main():
    torch.manual_seed(8)
    lists = make_lists(48)
    scorer = Scorer()
    optimizer = torch.optim.Adagrad(scorer.parameters(), lr=0.1)
    for epoch in range(3):
        total = 0.0
        for start in range(0, 48, 8):
            optimizer.zero_grad()
            batch_loss = 0.0
            for query, recipes, relevance in lists[start : start + 8]:
                scores = []
                for recipe in recipes:
                    scores.append(scorer(query, recipe[None]))
                # without requires_grad=True backward() complained
                scores = torch.stack(scores)
                batch_loss = batch_loss + listnet(scores, relevance)
            (batch_loss / 8).backward()
            optimizer.step()
            total += batch_loss.item()
        print(epoch, total / 48)


if __name__ == "__main__":
    main()
