"""Character model of a nursery rhyme, trained by a loop with callbacks."""

import torch
import torch.nn.functional as F
from torch import nn

RHYME = "one two buckle my shoe three four knock at the door five six pick up sticks " * 6


class CharModel(nn.Module):
    def __init__(self, symbols, width=24):
        super().__init__()
        self.embed = nn.Embedding(symbols, 12)
        self.memory = nn.GRU(12, width, batch_first=True)
        self.out = nn.Linear(width, symbols)

    def forward(self, ids):
        hidden, _ = self.memory(self.embed(ids))
        return self.out(hidden)


class Callback:
    def batch_start(self, trainer):
        pass

    def before_step(self, trainer):
        pass

    def epoch_end(self, trainer, epoch):
        pass


class ClipNorm(Callback):
    def __init__(self, limit):
        self.limit = limit

    def before_step(self, trainer):
        nn.utils.clip_grad_norm_(trainer.model.parameters(), self.limit)


class FreshGradients(Callback):
    def batch_start(self, trainer):
        trainer.optimizer.zero_grad()


class Progress(Callback):
    def epoch_end(self, trainer, epoch):
        mean = sum(trainer.losses) / len(trainer.losses)
        print(f"epoch {epoch}: {mean:.4f}")
        trainer.losses.clear()


class Trainer:
    def __init__(self, model, callbacks, lr=1e-2):
        self.model, self.callbacks, self.losses = model, callbacks, []
        self.optimizer = torch.optim.Adam(model.parameters(), lr=lr)

    def call(self, event, *arguments):
        for callback in self.callbacks:
            getattr(callback, event)(self, *arguments)

    def fit(self, windows, epochs):
        for epoch in range(epochs):
            for batch in windows[torch.randperm(len(windows))].split(16):
                self.call("batch_start")
                logits = self.model(batch[:, :-1])
                loss = F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
                loss.backward()
                self.call("before_step")
                self.optimizer.step()
                self.losses.append(loss.item())
            self.call("epoch_end", epoch)


def main():
    torch.manual_seed(19)
    symbols = sorted(set(RHYME))
    ids = torch.tensor([symbols.index(symbol) for symbol in RHYME])
    windows = ids.unfold(0, 13, 4)
    trainer = Trainer(CharModel(len(symbols)), [ClipNorm(1.0), FreshGradients(), Progress()])
    trainer.fit(windows, epochs=8)


if __name__ == "__main__":
    main()
