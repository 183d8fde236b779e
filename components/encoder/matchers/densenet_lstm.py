"""DenseNet + LSTM: a CNN for images and an LSTM for captions, in a shared space.

The visual-semantic embedding of Kiros et al. 2014 and Faghri et al. 2018 ("VSE++"), with DenseNet-
121, or MobileNetV2, for the images and GloVe's word vectors, or learned ones, for the captions.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import MobileNetV2Config, MobileNetV2Model

from components.encoder.matchers import densenet
from components.encoder.matchers.lstm import WordLstm

SIDE = 224
Backbone = Literal["densenet121", "mobilenet_v2"]
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, as in torchvision


@dataclass(frozen=True)
class EmbeddingConfig:
    """The network's sizes. ``vision`` is MobileNetV2's configuration where that is the backbone."""

    words: int
    backbone: Backbone = "densenet121"
    side: int = SIDE
    embedding: int = 300  # of a word
    hidden: int = 512
    width: int = 512  # of the shared space
    dropout: float = 0.2
    vision: dict[str, Any] = field(default_factory=dict)


class ImageBranch(nn.Module):
    """Bytes (n, side, side, 3) -> embeddings (n, width), not normalised."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: EmbeddingConfig) -> None:
        super().__init__()
        dense = config.backbone == "densenet121"
        self.backbone: nn.Module = (
            densenet.DenseNet() if dense else MobileNetV2Model(MobileNetV2Config(**config.vision))
        )
        halves = (0.5, 0.5, 0.5)
        for name, values in (
            ("mean", _MEAN if dense else halves),
            ("std", _STD if dense else halves),
        ):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)
        self.projection = nn.Linear(densenet.WIDTH if dense else 1280, config.width)

    def features(self, pixels: Tensor) -> Tensor:
        """Return the backbone's pooled features of bytes (n, side, side, 3)."""
        values = pixels.permute(0, 3, 1, 2).to(self.projection.weight.dtype) / 255
        values = ((values - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        output = self.backbone(values)
        return output if isinstance(output, Tensor) else output.pooler_output

    def forward(self, pixels: Tensor) -> Tensor:
        """Return image embeddings."""
        return self.projection(self.features(pixels))  # type: ignore[no-any-return] # untyped in torch


class TextBranch(nn.Module):
    """Ids and mask (n, words) -> embeddings (n, width), not normalised."""

    def __init__(self, config: EmbeddingConfig) -> None:
        super().__init__()
        lstm = nn.LSTM(config.embedding, config.hidden, batch_first=True)
        self.words = WordLstm(config.words, lstm, config.dropout)
        self.projection = nn.Linear(config.hidden, config.width)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return text embeddings."""
        return self.projection(self.words(ids, mask))  # type: ignore[no-any-return] # untyped in torch


class DenseNetLstm(nn.Module):
    """Both branches."""

    def __init__(self, config: EmbeddingConfig) -> None:
        super().__init__()
        self.image, self.text = ImageBranch(config), TextBranch(config)
