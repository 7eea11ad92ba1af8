"""Word-level language model: truncated backpropagation, weights updated by hand."""

import math

import torch
import torch.nn as nn

BPTT, BATCH, EVAL_BATCH, CLIP = 10, 8, 4, 0.25


class RNNModel(nn.Module):
    def __init__(self, ntoken, ninp, nhid, nlayers, dropout=0.1):
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(ntoken, ninp)
        self.rnn = nn.LSTM(ninp, nhid, nlayers, dropout=dropout)
        self.decoder = nn.Linear(nhid, ntoken)
        self.ntoken, self.nhid, self.nlayers = ntoken, nhid, nlayers
        self.init_weights()

    def init_weights(self):
        nn.init.uniform_(self.encoder.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)
        nn.init.uniform_(self.decoder.weight, -0.1, 0.1)

    def forward(self, input, hidden):
        output, hidden = self.rnn(self.drop(self.encoder(input)), hidden)
        return self.decoder(self.drop(output)).view(-1, self.ntoken), hidden

    def init_hidden(self, bsz):
        weight = next(self.parameters())
        return (
            weight.new_zeros(self.nlayers, bsz, self.nhid),
            weight.new_zeros(self.nlayers, bsz, self.nhid),
        )


def repackage_hidden(h):
    """Wraps hidden states in new Tensors, to detach them from their history."""
    if isinstance(h, torch.Tensor):
        return h.detach()
    return tuple(repackage_hidden(v) for v in h)


def batchify(data, bsz):
    nbatch = data.size(0) // bsz
    return data.narrow(0, 0, nbatch * bsz).view(bsz, -1).t().contiguous()


def get_batch(source, i):
    seq_len = min(BPTT, len(source) - 1 - i)
    return source[i : i + seq_len], source[i + 1 : i + 1 + seq_len].view(-1)


def evaluate(model, criterion, source):
    model.eval()
    total, hidden = 0.0, model.init_hidden(EVAL_BATCH)
    with torch.no_grad():
        for i in range(0, source.size(0) - 1, BPTT):
            data, targets = get_batch(source, i)
            output, hidden = model(data, hidden)
            total += len(data) * criterion(output, targets).item()
    return total / (len(source) - 1)


def train(model, criterion, source, lr):
    model.train()
    hidden, total = model.init_hidden(BATCH), 0.0
    starts = range(0, source.size(0) - 1, BPTT)
    for i in starts:
        data, targets = get_batch(source, i)
        model.zero_grad()
        hidden = repackage_hidden(hidden)
        output, hidden = model(data, hidden)
        loss = criterion(output, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        for p in model.parameters():
            p.data.add_(p.grad, alpha=-lr)
        total += loss.item()
    return total / len(starts)


def corpus(n):
    """Sentences by a grammar of twenty words: each word is mostly followed by one of two."""
    table = torch.randint(0, 20, (20, 2))
    words = [0]
    for coin in torch.rand(n - 1).tolist():
        follow = table[words[-1]]
        words.append(
            int(follow[0] if coin < 0.7 else follow[1] if coin < 0.95 else coin * 1e4 % 20)
        )
    return torch.tensor(words)


torch.manual_seed(1111)
text = corpus(2000)
train_data, val_data = batchify(text[:1600], BATCH), batchify(text[1600:], EVAL_BATCH)
model, criterion = RNNModel(20, 16, 24, 2), nn.CrossEntropyLoss()
lr, best_val_loss = 10.0, None
for epoch in range(1, 7):
    loss = train(model, criterion, train_data, lr)
    val_loss = evaluate(model, criterion, val_data)
    print(f"epoch {epoch} loss {loss:.3f} valid {val_loss:.3f} ppl {math.exp(val_loss):.2f}")
    if best_val_loss is None or val_loss < best_val_loss:
        best_val_loss = val_loss
    else:
        lr /= 4.0
