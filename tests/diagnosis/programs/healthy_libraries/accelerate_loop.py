"""A loop over accelerate: prepare, accumulate, clip when gradients are synchronized, gather."""

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class TextCNN(nn.Module):
    def __init__(self, vocab=20, width=16, classes=3):
        super().__init__()
        self.embed = nn.Embedding(vocab, width)
        self.convs = nn.ModuleList([nn.Conv1d(width, 12, k) for k in (2, 3)])
        self.out = nn.Linear(24, classes)

    def forward(self, ids):
        x = self.embed(ids).transpose(1, 2)
        return self.out(torch.cat([torch.relu(c(x)).amax(dim=2) for c in self.convs], dim=1))


def documents(n):
    """Three kinds of text, told apart by a pair of words somewhere in it."""
    label = torch.randint(0, 3, (n,))
    ids = torch.randint(6, 20, (n, 12))
    where = torch.randint(0, 11, (n,))
    ids[torch.arange(n), where] = 2 * label
    ids[torch.arange(n), where + 1] = 2 * label + 1
    return TensorDataset(ids, label)


def main():
    set_seed(58)
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
    model = TextCNN()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    train_loader = DataLoader(documents(256), batch_size=16, shuffle=True)
    eval_loader = DataLoader(documents(96), batch_size=32)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, total_iters=40)
    model, optimizer, train_loader, eval_loader, scheduler = accelerator.prepare(
        model, optimizer, train_loader, eval_loader, scheduler
    )
    for epoch in range(5):
        model.train()
        total = 0.0
        for ids, label in train_loader:
            with accelerator.accumulate(model):
                loss = F.cross_entropy(model(ids), label)
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                scheduler.step()
                optimizer.zero_grad()
            total += loss.item()
        model.eval()
        right = 0
        for ids, label in eval_loader:
            with torch.no_grad():
                predicted = model(ids).argmax(dim=-1)
            predicted, label = accelerator.gather_for_metrics((predicted, label))
            right += (predicted == label).sum().item()
        accelerator.print(
            f"epoch {epoch} loss {total / len(train_loader):.4f} accuracy {right / 96:.3f}"
        )
    accelerator.end_training()


if __name__ == "__main__":
    main()
