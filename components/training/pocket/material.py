"""Pocket's training data: captioned images, an ImageNet sample, and the teachers' outputs."""

import csv
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openvino
import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer, MobileNetV2ForImageClassification

from components.datasets.captioned import DataError, Example
from components.training.augment import augment
from components.training.loader import DecodedExamples, parts

SIDE, CROP = 224, 192  # pixels: of decoded images and of evaluation; of training crops
WIDTH = 384
VIEWS = 2  # of each image, whose features the first stage trains on
_MAX_TOKENS = 32
ClassNames = tuple[str, ...]


@dataclass(frozen=True)
class Sources:
    """Folders: captioned images with train and dev splits, the ImageNet sample, models."""

    captioned: tuple[Path, ...]
    imagenet: Path
    backbone: Path
    minilm: Path
    base: Path | None = None  # an earlier Pocket to continue from, in place of the first stage


@dataclass(frozen=True)
class Named:
    """The ImageNet sample: one image of each class, and each class's names."""

    examples: tuple[Example, ...]
    names: tuple[ClassNames, ...]


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


@dataclass(frozen=True)
class Taught:
    """Images, and the teachers' outputs on them."""

    images: DecodedExamples
    features: Tensor  # (images, VIEWS, 1280): the backbone's, of the whole image and of crops
    classes: Tensor  # (images, 1000): the backbone's logits
    meaning: Tensor  # (images, WIDTH): MiniLM's mean vector of the captions


@dataclass(frozen=True)
class Material:
    """The training data of both stages."""

    train: tuple[Taught, ...]  # of each captioned dataset
    dev: tuple[DecodedExamples, ...]
    sample: Taught  # ImageNet, row by class
    named: Named


def taught(sources: Sources, images: DecodedExamples) -> dict[str, Tensor]:
    """Return the teachers' outputs on images, by their names in `Taught`."""
    vectors = _sentence_vectors(sources, images.captions)
    sums = torch.zeros(len(images.examples), vectors.shape[1])
    sums.index_add_(0, torch.from_numpy(images.owner), vectors)
    features, classes = backbone_outputs(sources.backbone, images)
    return {
        "meaning": nn.functional.normalize(sums, dim=1),
        "features": features,
        "classes": classes,
    }


def _sentence_vectors(sources: Sources, texts: Sequence[str]) -> Tensor:
    """Return MiniLM's unit vectors (n, WIDTH) of texts: the mean over each text's tokens."""
    model = AutoModel.from_pretrained(sources.minilm, dtype=torch.float32, use_safetensors=True)

    def forward(ids: Tensor, mask: Tensor) -> Tensor:
        hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        weights = mask[..., None].float()
        return (hidden * weights).sum(1) / weights.sum(1)  # type: ignore[no-any-return]

    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        vectors = Texts(sources.minilm).encode(texts, forward, 256)
    return nn.functional.normalize(vectors.float(), dim=-1).clone()


def backbone_outputs(backbone: Path, images: DecodedExamples) -> tuple[Tensor, Tensor]:
    """Return the backbone's features (n, VIEWS, 1280) and class logits (n, 1000)."""
    model = MobileNetV2ForImageClassification.from_pretrained(backbone, dtype=torch.float32)
    tower = model.mobilenet_v2.eval()
    layers = (tower.conv_stem, *tower.layer, tower.conv_1x1, tower.pooler, nn.Flatten())
    pooled = compiled(nn.Sequential(*layers))
    features, logits = [], []
    torch.manual_seed(0)  # of the crops
    with torch.inference_mode():
        for pixels in parts(images.pixels, 50):
            views = [pooled(whole(pixels))]
            logits.append(model.classifier(views[0])[:, 1:])  # without the background class
            views += [pooled(augment(pixels, CROP)) for _ in range(VIEWS - 1)]
            features.append(torch.stack(views, dim=1))
    return torch.cat(features).clone(), torch.cat(logits).clone()


class _Scaled(nn.Module):
    """MobileNetV2's layers on values in [0, 1]: they take values in [-1, 1]."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, values: Tensor) -> Tensor:
        return self.layers(values * 2 - 1)  # type: ignore[no-any-return]


def compiled(layers: nn.Module, precision: str = "f32") -> Callable[[Tensor], Tensor]:
    """Return MobileNetV2's ``layers`` as a function without gradients, on OpenVINO.

    It takes values (n, 3, side, side) in [0, 1]. On a CPU it is several times as fast as torch,
    which does not fuse convolution and activation.
    """
    example = torch.zeros(2, 3, SIDE, SIDE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fixed padding, which is the same at CROP and SIDE
        graph = openvino.convert_model(_Scaled(layers), example_input=example)
    options = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    request = openvino.compile_model(graph, "CPU", options).create_infer_request()
    return lambda values: torch.from_numpy(request.infer([values.numpy()])[0].copy())


def whole(pixels: Tensor) -> Tensor:
    """Return (n, 3, height, width) values in [0, 1] of bytes (n, height, width, 3)."""
    return pixels.permute(0, 3, 1, 2).float() / 255
