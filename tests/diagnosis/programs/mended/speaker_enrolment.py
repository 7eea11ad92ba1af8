"""Speakers recognised by their voice: trained as a classifier, used by comparing voiceprints."""

import torch
import torch.nn.functional as F
from torch import nn


class VoiceEncoder(nn.Module):
    def __init__(self, bands=8, width=24, size=12):
        super().__init__()
        self.frames = nn.Conv1d(bands, width, 3, padding=1)
        self.project = nn.Linear(2 * width, size)

    def voiceprint(self, speech):
        hidden = F.leaky_relu(self.frames(speech))
        statistics = torch.cat([hidden.mean(dim=2), hidden.std(dim=2)], dim=1)
        return F.normalize(self.project(statistics), dim=1)

    def forward(self, speech):
        return self.voiceprint(speech)


class SpeakerClassifier(nn.Module):
    def __init__(self, encoder, speakers, size=12, sharpness=8.0):
        super().__init__()
        self.encoder, self.sharpness = encoder, sharpness
        self.prototypes = nn.Linear(size, speakers, bias=False)

    def forward(self, speech):
        return self.sharpness * self.prototypes(self.encoder(speech))


@torch.no_grad()
def enrol(encoder, speech, speaker):
    prints = encoder.voiceprint(speech)
    return torch.stack([prints[speaker == k].mean(dim=0) for k in range(int(speaker.max()) + 1)])


@torch.no_grad()
def identify(encoder, speech, enrolled):
    return (encoder.voiceprint(speech) @ enrolled.t()).argmax(dim=1)


def utterances(count, speakers=6, bands=8, length=20):
    speaker = torch.arange(count) % speakers
    timbre = torch.rand(speakers, bands, 1) + 0.3
    return timbre[speaker] * torch.randn(count, bands, length), speaker


def main():
    torch.manual_seed(144)
    speech, speaker = utterances(240)
    encoder = VoiceEncoder()
    model = SpeakerClassifier(encoder, speakers=6)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(8):
        model.train()
        for rows in torch.randperm(180).split(36):
            loss = F.cross_entropy(model(speech[rows]), speaker[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: last loss {loss.item():.4f}")
    model.eval()
    enrolled = enrol(encoder, speech[:180], speaker[:180])
    right = identify(encoder, speech[180:], enrolled) == speaker[180:]
    print(f"identified {right.float().mean().item():.3f}")


if __name__ == "__main__":
    main()
