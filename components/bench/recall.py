"""Recall on a folder of images with captions, by precision."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components import models
from components.bench.measure import Say
from components.encoder import Encoded, Encoder, encode, load
from components.images import source_of
from components.scores import Floats, Known, Retrieval, both_ways


def recall(model_id: str, folder: Path, say: Say) -> None:
    """Print recall@1, 5, 10 both ways on ``folder``'s dev and test images, by precision.

    ``folder`` has ``images/`` and ``captions.csv`` with columns image, split and caption.
    """
    located = models.locate(models.resolve(model_id))
    say(f"\n{model_id}: recall@1 / 5 / 10 in percent, gallery of the split's own")
    for precision in ("f32", "bf16"):
        encoder = load(located, precision)
        for split in ("dev", "test"):
            to_image, to_text, size = _recall(encoder, folder, split)
            say(
                f"{precision:>5} {split:<5} caption to image {to_image} of {size[0]:,} images;"
                f" image to caption {to_text} of {size[1]:,} captions"
            )


@dataclass(frozen=True)
class Split:
    """Images, captions, and the image (captions,) that each caption belongs to."""

    images: tuple[Path, ...]
    captions: tuple[str, ...]
    truth: NDArray[np.intp]

    @property
    def known(self) -> Known:
        """(captions, images): what belongs together."""
        known: Known = self.truth[:, None] == np.arange(len(self.images))
        return known


def read_split(folder: Path, split: str) -> Split:
    """Return a split of ``folder``, which has ``images/`` and ``captions.csv``."""
    with (folder / "captions.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    names = sorted({row["image"] for row in rows})
    column = {name: index for index, name in enumerate(names)}
    return Split(
        tuple(folder / "images" / name for name in names),
        tuple(row["caption"] for row in rows),
        np.array([column[row["image"]] for row in rows]),
    )


def vectors(encoder: Encoder, files: Sequence[Path]) -> Floats:
    """Return (files, width) vectors of images that can all be read."""
    items = encode(encoder, [source_of(file) for file in files])
    return np.stack([item.vector for item in items if isinstance(item, Encoded)])


def _recall(encoder: Encoder, folder: Path, split: str) -> tuple[str, str, tuple[int, int]]:
    read = read_split(folder, split)
    cosines = encoder.texts(read.captions) @ vectors(encoder, read.images).T
    size = (len(read.images), len(read.captions))
    return *recall_both_ways(cosines, read.known), size


def recall_both_ways(cosines: Floats, known: Known) -> tuple[str, str]:
    """Return recall@1 / 5 / 10 caption to image and image to caption, as text in per cent.

    ``cosines`` and ``known`` are (captions, images).
    """
    there, back = both_ways(cosines, known).values()
    return _percentages(there), _percentages(back)


def _percentages(found: Retrieval) -> str:
    return " / ".join(f"{100 * share:.2f}" for share in found.recall)
