"""How well a model names what a picture shows: ImageNet's names on a picture of each class."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np

from components.encoder import Encoder
from components.errors import CaptionLensError
from components.images import source_of
from components.pipeline import Encoded, encode

_TEMPLATE = "a photo of a {}"


def names(encoder: Encoder, folder: Path, say: Callable[[str], None]) -> None:
    """Print top-1 accuracy among all names, of ``labels.csv`` (image, class_index, wnid, names).

    By halves: Pocket's recipe shows it the pictures of the classes with an even number alone. A
    class is called by the first of its names.
    """
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    sources = [source_of(next(folder.glob(f"**/{row['image']}"))) for row in rows]
    vectors = [item.vector for item in encode(encoder, sources) if isinstance(item, Encoded)]
    if len(vectors) != len(rows):
        raise CaptionLensError(f"{folder.name} holds pictures that cannot be read.")
    texts = encoder.texts([_TEMPLATE.format(row["names"].split(", ")[0]) for row in rows])
    right = (np.stack(vectors) @ texts.T).argmax(axis=1) == np.arange(len(rows))
    even = np.array([int(row["class_index"]) % 2 == 0 for row in rows])
    say(f"{encoder.spec.id}: top-1 among {len(rows):,} names")
    for name, half in (("even classes", even), ("odd classes", ~even)):
        say(f"{name:<14}{right[half].mean():>8.1%}  of {half.sum()} pictures")
