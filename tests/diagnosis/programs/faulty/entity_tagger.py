"""Names and places in short sentences: a recurrent tagger on fixed word vectors."""
# symptom: lost | words: generator, exhausted, used up, empty, consumed

import torch
import torch.nn.functional as F
from torch import nn


class Tagger(nn.Module):
    def __init__(self, vectors, tags, width=16):
        super().__init__()
        self.words = nn.Embedding.from_pretrained(vectors)
        self.reader = nn.LSTM(vectors.shape[1], width, batch_first=True, bidirectional=True)
        self.tag = nn.Linear(2 * width, tags)

    def forward(self, sentences):
        hidden, _ = self.reader(self.words(sentences))
        return self.tag(hidden)


def corpus(n, vocabulary=60, length=8):
    """A word counts as a name only after a title, as a place only after a preposition."""
    words = torch.randint(0, vocabulary, (n, length))
    before = torch.cat([torch.full((n, 1), vocabulary - 1), words[:, :-1]], dim=1)
    tags = torch.zeros_like(words)
    tags[before < 15] = 1
    tags[(before >= 15) & (before < 25)] = 2
    return words, tags


class Session:
    def __init__(self, model, lr, max_norm):
        self.model, self.max_norm = model, max_norm
        self.weights = (p for p in model.parameters() if p.requires_grad)  # cause
        self.optimizer = torch.optim.SGD(self.weights, lr=lr, momentum=0.9)

    def step(self, words, tags):
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model(words).transpose(1, 2), tags)
        loss.backward()
        nn.utils.clip_grad_norm_(self.weights, self.max_norm)  # cause
        self.optimizer.step()
        return loss.item()

    def run(self, words, tags, epochs):
        for epoch in range(epochs):
            losses = [
                self.step(words[rows], tags[rows]) for rows in torch.randperm(len(words)).split(25)
            ]
            print(f"epoch {epoch}: {sum(losses) / len(losses):.4f}")


def main():
    torch.manual_seed(8)
    vectors = torch.randn(60, 12)
    model = Tagger(vectors, tags=3)
    Session(model, lr=0.5, max_norm=0.2).run(*corpus(200), epochs=10)


if __name__ == "__main__":
    main()
