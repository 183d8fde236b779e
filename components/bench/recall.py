"""Recall on a folder of images with captions: by precision, and through a collection's search."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components import models
from components.bench.measure import Say, temporary_data
from components.collection.build import BuildJob, build
from components.collection.query import Term, compose
from components.collection.search import Limits, search
from components.collection.sources.source import SourceSpec
from components.collection.store import open_folder
from components.datasets import captioned
from components.encoder import Encoded, Encoder, encode, load
from components.images import source_of
from components.scores import KS, Floats, Known, Retrieval, both_ways


def recall(model_id: str, folder: Path, say: Say) -> None:
    """Print recall@1, 5, 10 in both directions on a dataset's dev and test splits, by precision.

    ``folder`` is any dataset with splits that `captioned.read` reads. Raises DataError.
    """
    located = models.locate(models.resolve(model_id))
    say(f"\n{model_id}: recall@1 / 5 / 10 in per cent, gallery of the split")
    for precision in ("f32", "bf16", "int8"):
        encoder = load(located, precision)
        for name in ("dev", "test"):
            split = read_split(folder, name)
            cosines = encoder.texts(split.captions) @ vectors(encoder, split.images).T
            text_to_image, image_to_text = recall_both_ways(cosines, split.known)
            say(
                f"{encoder.runtime.precision:>5} {name:<5}"
                f" caption to image {text_to_image} of {len(split.images):,} images;"
                f" image to caption {image_to_text} of {len(split.captions):,} captions"
            )


@dataclass(frozen=True)
class Split:
    """Images, captions, and the index of each caption's image: ``owner`` (captions,)."""

    images: tuple[Path, ...]
    captions: tuple[str, ...]
    owner: NDArray[np.intp]

    @property
    def known(self) -> Known:
        """(captions, images): the known pairs."""
        known: Known = self.owner[:, None] == np.arange(len(self.images))
        return known


def read_split(folder: Path, name: str) -> Split:
    """Return a split of the dataset in ``folder``. Raises DataError where there is none."""
    examples = captioned.read(folder).split(name)
    return Split(
        tuple(example.image for example in examples),
        tuple(caption for example in examples for caption in example.captions),
        np.array([index for index, example in enumerate(examples) for _ in example.captions]),
    )


def vectors(encoder: Encoder, files: Sequence[Path]) -> Floats:
    """Return (files, width) vectors of images that can all be read."""
    items = encode(encoder, [source_of(file) for file in files])
    return np.stack([item.vector for item in items if isinstance(item, Encoded)])


def recall_both_ways(cosines: Floats, known: Known) -> tuple[str, str]:
    """Return recall@1 / 5 / 10 caption to image and image to caption, as text in per cent.

    ``cosines`` and ``known`` are (captions, images).
    """
    text_to_image, image_to_text = both_ways(cosines, known).values()
    return _percentages(text_to_image), _percentages(image_to_text)


def _percentages(figures: Retrieval) -> str:
    return " / ".join(f"{100 * share:.2f}" for share in figures.recall)


def through_search(model_id: str, folder: Path, say: Say) -> None:
    """Print caption to image recall on the test split through the search, and by exact ranking.

    ``folder`` has ``images/`` and ``captions.csv`` with columns image, split and caption; the
    split becomes a table collection. Raises DataError.
    """
    split = read_split(folder, "test")
    names = [image.relative_to(folder / "images").as_posix() for image in split.images]
    encoder = load(model_id)
    with temporary_data() as place:
        table = place / "test.csv"
        with table.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["image", "caption"])
            writer.writerows(
                (names[i], c) for i, c in zip(split.owner, split.captions, strict=True)
            )
        build(BuildJob("test", SourceSpec("table", str(table), str(folder / "images"))), encoder)
        _compare(encoder, split.captions, [names[i] for i in split.owner], say)


def _compare(encoder: Encoder, captions: Sequence[str], owners: Sequence[str], say: Say) -> None:
    """Print recall on the collection "test"; ``owners`` are the ids of the captions' images."""
    collection = open_folder("test")
    ranks = []
    for caption, owner in zip(captions, owners, strict=True):
        query = compose(encoder, [Term(caption)])
        ids = search(collection, query.vector, Limits(max(KS))).ids
        ranks.append(ids.index(owner) if owner in ids else max(KS))
    shares = " / ".join(f"{100 * np.mean(np.array(ranks) < k):.2f}" for k in KS)
    say(f"\n{len(captions):,} captions, {len(collection):,} images: recall@1 / 5 / 10 in per cent")
    say(f"{'through the search':<44}{shares}")
    rows = collection.rows(owners)
    known = rows[:, None] == np.arange(len(collection))
    cosines = encoder.texts(captions) @ np.concatenate(collection.matrix.parts).T
    say(f"{'exact ranking':<44}{recall_both_ways(cosines, known)[0]}")
