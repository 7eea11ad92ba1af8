"""A tune model is given extra tokens for ornaments before it is trained further."""

# healthy
import torch
import torch.nn.functional as F
from torch import nn


class TuneModel(nn.Module):
    def __init__(self, tokens=20, width=16):
        super().__init__()
        self.embed = nn.Embedding(tokens, width)
        self.rnn = nn.GRU(width, width, batch_first=True)
        self.out = nn.Linear(width, tokens)

    def resize_tokens(self, tokens):
        old, head = self.embed, self.out
        self.embed = nn.Embedding(tokens, old.embedding_dim)
        self.out = nn.Linear(head.in_features, tokens)
        with torch.no_grad():
            self.embed.weight[: old.num_embeddings] = old.weight
            self.out.weight[: head.out_features] = head.weight
            self.out.bias[: head.out_features] = head.bias

    def forward(self, notes):
        return self.out(self.rnn(self.embed(notes))[0])


class Session:
    def __init__(self, model, lr=1e-2):
        self.model = model
        self.lr = lr

    def prepare(self, ornaments):
        self.model.resize_tokens(self.model.embed.num_embeddings + ornaments)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=self.lr)

    def epoch(self, tunes):
        for batch in tunes.split(16):
            logits = self.model(batch[:, :-1])
            loss = F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
            self.optimizer.step()
        return loss.item()


def main():
    torch.manual_seed(21)
    start = torch.randint(0, 24, (96, 1))
    tunes = (start + 3 * torch.arange(9)) % 24
    session = Session(TuneModel())
    session.prepare(ornaments=4)
    for epoch in range(4):
        print(epoch, session.epoch(tunes))


if __name__ == "__main__":
    main()
