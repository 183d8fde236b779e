"""CNN + BiLSTM: a network that classifies whether an image and a caption are a pair.

A dense layer joins both branches, so there is no shared space and nothing to index. Features are
computed once per image and once per caption; every pair takes a pass through the head.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from components.encoder.matchers.lstm import WordLstm

SIDE = 299
IMAGE_WIDTH, TEXT_WIDTH = 512, 256


@dataclass(frozen=True)
class PairConfig:
    """The network's sizes. ``channels`` are those of the image branch's blocks."""

    words: int
    side: int = SIDE
    channels: tuple[int, ...] = (16, 32, 64, 128, 256)
    embedding: int = 128
    head: int = 256
    dropout: float = 0.2


class ImageBranch(nn.Module):
    """Bytes (n, side, side, 3) -> features (n, 512)."""

    def __init__(self, config: PairConfig) -> None:
        super().__init__()
        sizes = (3, *config.channels)
        self.blocks = nn.Sequential(*(_block(a, b, config.dropout / 2) for a, b in pairwise(sizes)))
        self.dense = nn.Linear(sizes[-1], IMAGE_WIDTH)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return features of images, whose bytes become values in [0, 1]."""
        values = pixels.permute(0, 3, 1, 2).to(self.dense.weight.dtype) / 255
        maps = self.blocks(values.contiguous(memory_format=torch.channels_last))
        return torch.relu(self.dense(maps.mean(dim=(2, 3))))


def _block(before: int, after: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Dropout2d(dropout),
    )


class PairMatcher(nn.Module):
    """Features of images and captions -> a logit per pair."""

    def __init__(self, config: PairConfig) -> None:
        super().__init__()
        self.image = ImageBranch(config)
        lstm = nn.LSTM(
            config.embedding,
            TEXT_WIDTH // 2,
            num_layers=3,
            bidirectional=True,
            dropout=config.dropout,
            batch_first=True,
        )
        self.text = WordLstm(config.words, lstm, config.dropout)
        self.dense = nn.Linear(IMAGE_WIDTH + TEXT_WIDTH, config.head, bias=False)
        self.norm = nn.BatchNorm1d(config.head)
        self.last = nn.Linear(config.head, 1)

    def forward(self, images: Tensor, texts: Tensor) -> Tensor:
        """Return logits (n,) of features ``images`` (n, 512) and ``texts`` (n, 256), row by row."""
        both = self.dense(torch.cat([images, texts], dim=1))
        return self.last(torch.relu(self.norm(both)))[:, 0]  # type: ignore[no-any-return] # torch's

    def all_pairs(self, images: Tensor, texts: Tensor) -> Tensor:
        """Return logits (captions, images) of every pair, in evaluation mode.

        The dense layer of a concatenation is a sum of two products, each computed once.
        """
        of_images = images @ self.dense.weight[:, :IMAGE_WIDTH].T  # (images, head)
        of_texts = texts @ self.dense.weight[:, IMAGE_WIDTH:].T  # (captions, head)
        return torch.stack(
            [self.last(torch.relu(self.norm(of_images + row)))[:, 0] for row in of_texts]
        )
