"""Layer-wise learning-rate decay with groups that carry no weight decay, and a schedule on top."""

import torch
from torch import nn

torch.manual_seed(2)


class Encoder(nn.Module):
    def __init__(self, vocab=30, dim=16, depth=3):
        super().__init__()
        self.embed = nn.Embedding(vocab, dim, padding_idx=0)
        self.layers = nn.ModuleList(
            [
                nn.TransformerEncoderLayer(dim, 2, 32, dropout=0.0, batch_first=True)
                for _ in range(depth)
            ]
        )
        self.pooler = nn.Linear(dim, dim)
        self.classifier = nn.Linear(dim, 2)
        self.register_buffer("mask", torch.triu(torch.ones(10, 10, dtype=torch.bool), 1))

    def forward(self, tokens):
        h = self.embed(tokens)
        for layer in self.layers:
            h = layer(h, src_mask=self.mask[: tokens.shape[1], : tokens.shape[1]])
        return self.classifier(torch.tanh(self.pooler(h[:, -1])))


def groups(model, lr, decay):
    no_decay = ("bias", "norm1.weight", "norm2.weight")
    depth = len(model.layers)
    for name, p in model.named_parameters():
        if name.startswith("embed"):
            level = depth + 1
        elif name.startswith("layers"):
            level = depth - int(name.split(".")[1])
        else:
            level = 0
        yield {
            "params": [p],
            "lr": lr * decay**level,
            "weight_decay": 0.0 if name.endswith(no_decay) else 0.01,
        }


model = Encoder()
optimizer = torch.optim.AdamW(list(groups(model, 5e-3, 0.8)))
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min(1.0, (s + 1) / 4))
tokens = torch.randint(1, 30, (48, 10))
labels = (tokens[:, -1] > 15).long()
losses = []
for step in range(25):
    logits = model(tokens)
    loss = nn.functional.cross_entropy(logits, labels, label_smoothing=0.05)
    loss.backward()
    total = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    scheduler.step()
    optimizer.zero_grad()
    losses.append(loss.detach())
losses = torch.stack(losses)
print(losses[0].item(), losses[-1].item())
assert losses[-1] < 0.6 * losses[0]
