"""Encoder and attention decoder that reverse a sequence; teacher forcing on some of the batches."""

import random

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import optim

SOS_token, MAX_LENGTH = 0, 6


class EncoderRNN(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.embedding = nn.Embedding(input_size, hidden_size)
        self.gru = nn.GRU(hidden_size, hidden_size, batch_first=True)

    def forward(self, input):
        return self.gru(self.embedding(input))


class BahdanauAttention(nn.Module):
    def __init__(self, hidden_size):
        super().__init__()
        self.Wa = nn.Linear(hidden_size, hidden_size)
        self.Ua = nn.Linear(hidden_size, hidden_size, bias=False)
        self.Va = nn.Linear(hidden_size, 1, bias=False)

    def forward(self, query, keys):
        scores = self.Va(torch.tanh(self.Wa(query) + self.Ua(keys))).squeeze(2).unsqueeze(1)
        return torch.bmm(F.softmax(scores, dim=-1), keys)


class AttnDecoderRNN(nn.Module):
    def __init__(self, hidden_size, output_size):
        super().__init__()
        self.embedding = nn.Embedding(output_size, hidden_size)
        self.attention = BahdanauAttention(hidden_size)
        self.gru = nn.GRU(2 * hidden_size, hidden_size, batch_first=True)
        self.out = nn.Linear(hidden_size, output_size)

    def forward(self, encoder_outputs, encoder_hidden, target_tensor=None):
        batch_size = encoder_outputs.size(0)
        decoder_input = torch.full((batch_size, 1), SOS_token)
        decoder_hidden, decoder_outputs = encoder_hidden, []
        for i in range(MAX_LENGTH):
            embedded = self.embedding(decoder_input)
            context = self.attention(decoder_hidden.permute(1, 0, 2), encoder_outputs)
            output, decoder_hidden = self.gru(torch.cat((embedded, context), dim=2), decoder_hidden)
            output = self.out(output)
            decoder_outputs.append(output)
            if target_tensor is not None:
                decoder_input = target_tensor[:, i].unsqueeze(1)  # Teacher forcing
            else:
                _, topi = output.topk(1)
                decoder_input = topi.squeeze(-1).detach()  # detach from history as input
        return F.log_softmax(torch.cat(decoder_outputs, dim=1), dim=-1)


def train_epoch(batches, encoder, decoder, encoder_optimizer, decoder_optimizer, ratio):
    criterion, total_loss = nn.NLLLoss(), 0.0
    for input_tensor, target_tensor in batches:
        encoder_optimizer.zero_grad()
        decoder_optimizer.zero_grad()
        outputs, hidden = encoder(input_tensor)
        forced = target_tensor if random.random() < ratio else None
        log_probs = decoder(outputs, hidden, forced)
        loss = criterion(log_probs.view(-1, log_probs.size(-1)), target_tensor.view(-1))
        loss.backward()
        encoder_optimizer.step()
        decoder_optimizer.step()
        total_loss += loss.item()
    return total_loss / len(batches)


def main():
    torch.manual_seed(0)
    random.seed(0)
    source = torch.randint(1, 9, (384, MAX_LENGTH))
    batches = list(zip(source.split(32), source.flip(1).split(32), strict=True))
    encoder, decoder = EncoderRNN(9, 32), AttnDecoderRNN(32, 9)
    encoder_optimizer = optim.Adam(encoder.parameters(), lr=8e-3)
    decoder_optimizer = optim.Adam(decoder.parameters(), lr=8e-3)
    for epoch in range(6):
        ratio = 1.0 - 0.1 * epoch
        loss = train_epoch(batches, encoder, decoder, encoder_optimizer, decoder_optimizer, ratio)
        print(f"epoch {epoch} loss {loss:.4f} teacher forcing {ratio:.1f}")
    encoder.eval()
    decoder.eval()
    with torch.no_grad():
        decoded = decoder(*encoder(source[:64])).argmax(-1)
    print(f"right letters {(decoded == source[:64].flip(1)).float().mean():.3f}")


if __name__ == "__main__":
    main()
