"""Momentum contrast: keys from a slowly moving copy, negatives from a queue kept as a buffer."""

import torch
import torch.nn as nn


class MoCo(nn.Module):
    def __init__(self, base_encoder, dim=16, K=128, m=0.95, T=0.2):
        super().__init__()
        self.K, self.m, self.T = K, m, T
        self.encoder_q = base_encoder(dim)
        self.encoder_k = base_encoder(dim)
        for param_q, param_k in zip(
            self.encoder_q.parameters(), self.encoder_k.parameters(), strict=True
        ):
            param_k.data.copy_(param_q.data)  # initialize
            param_k.requires_grad = False  # not update by gradient
        self.register_buffer("queue", nn.functional.normalize(torch.randn(dim, K), dim=0))
        self.register_buffer("queue_ptr", torch.zeros(1, dtype=torch.long))

    @torch.no_grad()
    def _momentum_update_key_encoder(self):
        for param_q, param_k in zip(
            self.encoder_q.parameters(), self.encoder_k.parameters(), strict=True
        ):
            param_k.data = param_k.data * self.m + param_q.data * (1.0 - self.m)

    @torch.no_grad()
    def _dequeue_and_enqueue(self, keys):
        ptr = int(self.queue_ptr)
        self.queue[:, ptr : ptr + len(keys)] = keys.T
        self.queue_ptr[0] = (ptr + len(keys)) % self.K

    def forward(self, im_q, im_k):
        q = nn.functional.normalize(self.encoder_q(im_q), dim=1)
        with torch.no_grad():
            self._momentum_update_key_encoder()
            k = nn.functional.normalize(self.encoder_k(im_k), dim=1)
        l_pos = torch.einsum("nc,nc->n", [q, k]).unsqueeze(-1)
        l_neg = torch.einsum("nc,ck->nk", [q, self.queue.clone().detach()])
        logits = torch.cat([l_pos, l_neg], dim=1) / self.T
        labels = torch.zeros(logits.shape[0], dtype=torch.long)
        self._dequeue_and_enqueue(k)
        return logits, labels


def small_convnet(dim):
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * 25, 32),
        nn.ReLU(),
        nn.Linear(32, dim),
    )


class TwoCropsTransform:
    def __init__(self, noise):
        self.noise = noise

    def augment(self, x):
        shift = int(torch.randint(-1, 2, ()))
        return torch.roll(x, shift, dims=-1) + self.noise * torch.randn_like(x)

    def __call__(self, x):
        return self.augment(x), self.augment(x)


def main():
    torch.manual_seed(3)
    images = (torch.rand(320, 1, 10, 10) > 0.5).float() * 2 - 1
    transform = TwoCropsTransform(noise=0.1)
    model = MoCo(small_convnet)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(
        model.encoder_q.parameters(), lr=0.03, momentum=0.9, weight_decay=1e-4
    )
    for epoch in range(8):
        losses, right = [], 0
        for batch in images[torch.randperm(320)].split(32):
            output, target = model(*transform(batch))
            loss = criterion(output, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            right += (output.argmax(1) == target).sum().item()
        print(f"Epoch {epoch}: Loss {sum(losses) / len(losses):.4f} Acc@1 {right / 320:.3f}")


if __name__ == "__main__":
    main()
