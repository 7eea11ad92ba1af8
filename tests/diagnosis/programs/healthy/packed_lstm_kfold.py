"""k-fold with a new model and optimizer a fold; LSTM over packed sequences; the best fold's weights are kept."""

import copy

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

torch.manual_seed(29)


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(20, 8, padding_idx=0)
        self.lstm = nn.LSTM(8, 12, batch_first=True, bidirectional=True)
        self.out = nn.Linear(24, 2)

    def forward(self, x, lengths):
        packed = pack_padded_sequence(self.emb(x), lengths, batch_first=True, enforce_sorted=False)
        h, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return self.out(h)


seqs = [torch.randint(1, 20, (int(n),)) for n in torch.randint(3, 9, (48,))]
tags = [(s > 9).long() for s in seqs]
folds = torch.arange(48).chunk(3)
best, best_state, report = float("inf"), None, []
for k, held in enumerate(folds):
    train = [i for i in range(48) if i not in set(held.tolist())]
    model = Tagger()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 3, 0.7)
    criterion = nn.CrossEntropyLoss(ignore_index=-1)

    def batch(ids):
        x = pad_sequence([seqs[i] for i in ids], batch_first=True)
        y = pad_sequence([tags[i] for i in ids], batch_first=True, padding_value=-1)
        return x, y, torch.tensor([len(seqs[i]) for i in ids])

    for epoch in range(5):
        model.train()
        for start in range(0, len(train), 16):
            x, y, n = batch(train[start : start + 16])
            optimizer.zero_grad()
            loss = criterion(model(x, n).flatten(0, 1), y.flatten())
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
        scheduler.step()
        model.eval()
        with torch.no_grad():
            x, y, n = batch(held.tolist())
            val = criterion(model(x, n).flatten(0, 1), y.flatten()).item()
        report.append(val)
        if val < best:
            best, best_state = val, copy.deepcopy(model.state_dict())
model.load_state_dict(best_state)
print(report[0], best)
assert best < 0.6 * report[0]
