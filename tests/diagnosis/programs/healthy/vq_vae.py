"""VQ-VAE on short signals: straight-through gradient, codebook and commitment losses."""

import torch
import torch.nn as nn
import torch.nn.functional as F


class VectorQuantizer(nn.Module):
    def __init__(self, num_embeddings, embedding_dim, commitment_cost):
        super().__init__()
        self.embedding = nn.Embedding(num_embeddings, embedding_dim)
        self.embedding.weight.data.uniform_(-1 / num_embeddings, 1 / num_embeddings)
        self.commitment_cost = commitment_cost

    def forward(self, inputs):
        flat = inputs.transpose(1, 2).reshape(-1, inputs.size(1))
        distances = (
            flat.pow(2).sum(1, keepdim=True)
            + self.embedding.weight.pow(2).sum(1)
            - 2 * flat @ self.embedding.weight.t()
        )
        indices = distances.argmin(dim=1)
        quantized = self.embedding(indices).view(len(inputs), -1, inputs.size(1)).transpose(1, 2)
        e_latent_loss = F.mse_loss(quantized.detach(), inputs)
        q_latent_loss = F.mse_loss(quantized, inputs.detach())
        loss = q_latent_loss + self.commitment_cost * e_latent_loss
        quantized = inputs + (quantized - inputs).detach()
        return loss, quantized, indices.unique().numel()


class Model(nn.Module):
    def __init__(self, hidden=16, embedding_dim=4, num_embeddings=12):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv1d(1, hidden, 4, 2, 1), nn.ReLU(), nn.Conv1d(hidden, embedding_dim, 4, 2, 1)
        )
        self.vq = VectorQuantizer(num_embeddings, embedding_dim, commitment_cost=0.25)
        self.decoder = nn.Sequential(
            nn.ConvTranspose1d(embedding_dim, hidden, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose1d(hidden, 1, 4, 2, 1),
        )

    def forward(self, x):
        loss, quantized, used = self.vq(self.encoder(x))
        return loss, self.decoder(quantized), used


def signals(n, length=32):
    t = torch.arange(length) / length
    frequency = torch.randint(1, 4, (n, 1))
    return torch.sin(6.28 * (frequency * t + torch.rand(n, 1))).unsqueeze(1)


def main():
    torch.manual_seed(42)
    data = signals(256)
    data_variance = data.var()
    model = Model()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3, amsgrad=False)
    model.train()
    for i in range(100):
        rows = torch.randint(0, len(data), (64,))
        optimizer.zero_grad()
        vq_loss, recon, used = model(data[rows])
        recon_error = F.mse_loss(recon, data[rows]) / data_variance
        loss = recon_error + vq_loss
        loss.backward()
        optimizer.step()
        if i % 20 == 0:
            print(f"{i}: recon {recon_error.item():.3f} vq {vq_loss.item():.4f} codes {used}")


if __name__ == "__main__":
    main()
