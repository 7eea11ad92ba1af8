"""A character-level transformer on a verse; the learning rate is set by hand at each step."""

import math

import torch
import torch.nn as nn
from torch.nn import functional as F

VERSE = "the rain in spain stays mainly in the plain. " * 12
BLOCK, BATCH, MAX_ITERS, WARMUP, LR, MIN_LR = 16, 16, 60, 8, 8e-3, 8e-4


class CausalSelfAttention(nn.Module):
    def __init__(self, n_embd, n_head):
        super().__init__()
        self.c_attn = nn.Linear(n_embd, 3 * n_embd)
        self.c_proj = nn.Linear(n_embd, n_embd)
        self.n_head = n_head
        self.register_buffer("bias", torch.tril(torch.ones(BLOCK, BLOCK)).view(1, 1, BLOCK, BLOCK))

    def forward(self, x):
        B, T, C = x.size()
        q, k, v = (
            t.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
            for t in self.c_attn(x).split(C, dim=2)
        )
        att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        att = F.softmax(att.masked_fill(self.bias[:, :, :T, :T] == 0, float("-inf")), dim=-1)
        return self.c_proj((att @ v).transpose(1, 2).contiguous().view(B, T, C))


class Block(nn.Module):
    def __init__(self, n_embd, n_head):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(n_embd), nn.LayerNorm(n_embd)
        self.attn = CausalSelfAttention(n_embd, n_head)
        self.mlp = nn.Sequential(
            nn.Linear(n_embd, 4 * n_embd), nn.GELU(), nn.Linear(4 * n_embd, n_embd)
        )

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    def __init__(self, vocab, n_embd=32, n_head=4, n_layer=2):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocab, n_embd), nn.Embedding(BLOCK, n_embd)
        self.h = nn.ModuleList([Block(n_embd, n_head) for _ in range(n_layer)])
        self.ln_f, self.lm_head = nn.LayerNorm(n_embd), nn.Linear(n_embd, vocab, bias=False)

    def forward(self, idx, targets=None):
        x = self.wte(idx) + self.wpe(torch.arange(idx.size(1)))
        for block in self.h:
            x = block(x)
        if targets is None:
            return self.lm_head(self.ln_f(x[:, [-1], :])), None
        logits = self.lm_head(self.ln_f(x))
        return logits, F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))

    def configure_optimizers(self, weight_decay):
        params = [p for p in self.parameters() if p.requires_grad]
        decay = {"params": [p for p in params if p.dim() >= 2], "weight_decay": weight_decay}
        nodecay = {"params": [p for p in params if p.dim() < 2], "weight_decay": 0.0}
        return torch.optim.AdamW([decay, nodecay], lr=LR, betas=(0.9, 0.95))

    @torch.no_grad()
    def generate(self, idx, max_new_tokens):
        for _ in range(max_new_tokens):
            logits, _ = self(idx[:, -BLOCK:])
            probs = F.softmax(logits[:, -1, :] / 0.5, dim=-1)
            idx = torch.cat((idx, torch.multinomial(probs, num_samples=1)), dim=1)
        return idx


def get_lr(it):
    if it < WARMUP:
        return LR * (it + 1) / (WARMUP + 1)
    coeff = 0.5 * (1.0 + math.cos(math.pi * (it - WARMUP) / (MAX_ITERS - WARMUP)))
    return MIN_LR + coeff * (LR - MIN_LR)


torch.manual_seed(1337)
chars = sorted(set(VERSE))
data = torch.tensor([chars.index(c) for c in VERSE])
model = GPT(len(chars))
optimizer = model.configure_optimizers(weight_decay=0.1)
for iter_num in range(MAX_ITERS):
    for param_group in optimizer.param_groups:
        param_group["lr"] = get_lr(iter_num)
    ix = torch.randint(len(data) - BLOCK, (BATCH,))
    x = torch.stack([data[i : i + BLOCK] for i in ix])
    y = torch.stack([data[i + 1 : i + 1 + BLOCK] for i in ix])
    logits, loss = model(x, y)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    if iter_num % 15 == 0:
        print(f"iter {iter_num}: loss {loss.item():.4f}")
model.eval()
print("".join(chars[i] for i in model.generate(data[:4].unsqueeze(0), 30)[0].tolist()))
