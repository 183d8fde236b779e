"""Pocket's training data: Flickr8k, an ImageNet sample, and the teachers' outputs on both."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer, MobileNetV2ForImageClassification

from components.datasets.captioned import DataError, Example
from components.training.loader import DecodedExamples, parts

SIDE, CROP = 224, 192  # pixels: of decoded images and of evaluation; of training crops
WIDTH = 384
_MAX_TOKENS = 32
ClassNames = tuple[str, ...]


@dataclass(frozen=True)
class Sources:
    """The folders of Flickr8k, the ImageNet sample, and three models."""

    flickr8k: Path
    imagenet: Path
    backbone: Path
    minilm: Path
    starter: Path


@dataclass(frozen=True)
class Named:
    """The ImageNet sample: one image of each class, and each class's names."""

    examples: tuple[Example, ...]
    names: tuple[ClassNames, ...]

    @property
    def shown(self) -> tuple[int, ...]:
        """The classes whose images are used in training: every second one."""
        return tuple(range(0, len(self.names), 2))


def read_named(folder: Path) -> Named:
    """Return the ImageNet sample of a ``labels.csv`` (image, class_index, wnid, names).

    Raises DataError where the file or one of its images is missing.
    """
    try:
        with (folder / "labels.csv").open(encoding="utf-8", newline="") as lines:
            rows = sorted(csv.DictReader(lines), key=lambda row: int(row["class_index"]))
        names = tuple(tuple(row["names"].split(", ")) for row in rows)
        paths = [next(folder.glob(f"**/{row['image']}")) for row in rows]
    except (OSError, ValueError, KeyError, StopIteration) as error:
        raise DataError(
            f"{folder.name} lacks a labels.csv of image, class_index and names, or its images."
        ) from error
    return Named(tuple(Example(path, own) for path, own in zip(paths, names, strict=True)), names)


class Texts:
    """Text encoding with a checkpoint's tokenizer, in groups of similar length."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)

    def encode(self, texts: Sequence[str], forward: Callable[..., Tensor], group: int) -> Tensor:
        """Return ``forward(ids, mask)`` (n, width) of texts, in the order given."""
        rows = self.tokenizer(list(texts), truncation=True, max_length=_MAX_TOKENS)["input_ids"]
        order = np.argsort([len(row) for row in rows], kind="stable")
        rows_of = []
        for start in range(0, len(order), group):
            ids = nn.utils.rnn.pad_sequence(
                [torch.tensor(rows[i]) for i in order[start : start + group]], batch_first=True
            )
            rows_of.append(forward(ids, (ids != 0).long()))
        original = torch.from_numpy(np.argsort(order, kind="stable"))
        return torch.cat(rows_of)[original]


def teacher_vectors(sources: Sources, texts: Sequence[str]) -> Tensor:
    """Return MiniLM's unit vectors (n, 384) of texts: the mean over each text's tokens."""
    model = AutoModel.from_pretrained(sources.minilm, dtype=torch.float32, use_safetensors=True)

    def forward(ids: Tensor, mask: Tensor) -> Tensor:
        hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        weights = mask[..., None].float()
        return (hidden * weights).sum(1) / weights.sum(1)  # type: ignore[no-any-return] # (n, 384)

    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        vectors = Texts(sources.minilm).encode(texts, forward, 256)
    return nn.functional.normalize(vectors.float(), dim=-1).clone()


@dataclass(frozen=True)
class Material:
    """All that both towers are trained on."""

    train: DecodedExamples
    dev: DecodedExamples
    sample: DecodedExamples  # ImageNet, row by class
    named: Named
    meaning: Tensor  # (images, 384): MiniLM's mean vector of a training image's captions
    classes: Tensor  # (images, 1000): the backbone's own class distribution of training images
    sample_classes: Tensor  # (1000, 1000): the same for the sample


def _classes(sources: Sources, images: DecodedExamples) -> Tensor:
    """Return the backbone's class distribution (n, 1000)."""
    model = MobileNetV2ForImageClassification.from_pretrained(sources.backbone, dtype=torch.float32)
    model = model.eval().to(memory_format=torch.channels_last)
    probabilities = []
    with torch.inference_mode():
        for pixels in parts(images.pixels, 50):
            values = pixels.permute(0, 3, 1, 2).float() / 127.5 - 1
            logits = model(values.contiguous(memory_format=torch.channels_last)).logits
            probabilities.append(logits[:, 1:].softmax(dim=1))  # without the background class
    return torch.cat(probabilities).clone()


def teacher_outputs(
    sources: Sources, learn: DecodedExamples, sample: DecodedExamples
) -> dict[str, Tensor]:
    """Return the teachers' outputs, by their names in `Material`."""
    vectors = teacher_vectors(sources, learn.captions)
    sums = torch.zeros(len(learn.examples), WIDTH)
    sums.index_add_(0, torch.from_numpy(learn.owner), vectors)
    return {
        "meaning": nn.functional.normalize(sums, dim=1),
        "classes": _classes(sources, learn),
        "sample_classes": _classes(sources, sample),
    }
