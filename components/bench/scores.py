"""How well scores separate true pairs from others, and what averaged views gain and cost."""

import random
import string
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components import explain
from components.bench.measure import Say
from components.bench.recall import read_split, recall_both_ways, vectors
from components.encoder import Encoder, bank_vectors, decode_for, load
from components.images import source_of
from components.scores import (
    FAIR,
    Floats,
    auc,
    balanced_accuracy,
    best_threshold,
    percentile,
    unit,
    zscore,
)

Values = NDArray[np.floating]
_GIBBERISH = 300  # captions of each kind


def scores(model_id: str, folder: Path, say: Say) -> None:
    """Print how well percentile, z and cosine separate true pairs from random ones.

    ``folder`` is a dataset with dev and test splits. Each caption is scored with its own image
    and with another drawn at random; thresholds are chosen on dev and applied to both splits.
    Raises DataError.
    """
    encoder = load(model_id)
    bank = bank_vectors(encoder)
    best: dict[str, float] = {}
    for name in ("dev", "test"):
        split = read_split(folder, name)
        images, texts = vectors(encoder, split.images), encoder.texts(split.captions)
        pairs = _pairs(texts, images, bank, split.owner)
        say(f"\n{model_id}, {name}: {len(split.captions):,} true pairs, as many random ones")
        say(f"{'':<12}{'AUC':>8}{'accuracy at the threshold that is best on dev':>50}")
        for measure, (own, other) in pairs.items():
            if name == "dev":
                best[measure] = best_threshold(own, other)
            accuracy = balanced_accuracy(own, other, best[measure])
            say(f"{measure:<12}{auc(own, other):>8.4f}{accuracy:>30.4f} at {best[measure]:.3f}")
        own, other = pairs["percentile"]
        shares = [(each >= FAIR).mean() for each in (own, other)]
        accuracy = balanced_accuracy(own, other, FAIR)
        say(
            f"fair or better (percentile {FAIR:.0%}): accuracy {accuracy:.4f},"
            f" of true pairs {shares[0]:.1%}, of random ones {shares[1]:.1%}"
        )
        for kind, captions in _gibberish().items():
            percentiles = percentile(encoder.texts(captions) @ images.T, bank @ images.T)
            say(f"gibberish, {kind:<18} fair or better {(percentiles >= FAIR).mean():>6.1%}")


def _pairs(
    texts: Floats, images: Floats, bank: Floats, owner: NDArray[np.intp]
) -> dict[str, tuple[Values, Values]]:
    """Return by measure the values (captions,) with the own image and with another.

    ``owner`` (captions,) is the index of each caption's image.
    """
    offsets = np.random.default_rng(0).integers(1, len(images), len(owner))
    others = (owner + offsets) % len(images)
    cosines, chance = texts @ images.T, bank @ images.T
    rows = np.arange(len(owner))
    tables = {
        "percentile": percentile(cosines, chance),
        "z-score": zscore(cosines, chance),
        "cosine": cosines,
    }
    return {name: (table[rows, owner], table[rows, others]) for name, table in tables.items()}


def gibberish() -> list[str]:
    """Return 900 meaningless captions: random letters, invented words, marks and digits."""
    return [caption for captions in _gibberish().values() for caption in captions]


def _gibberish() -> dict[str, list[str]]:
    rng = random.Random(0)  # noqa: S311 - not a secret
    syllables = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
    marks = string.punctuation + string.digits + " "

    def words(make: Callable[[], str]) -> list[str]:
        return [" ".join(make() for _ in range(rng.randint(2, 8))) for _ in range(_GIBBERISH)]

    return {
        "random letters": words(
            lambda: "".join(rng.choices(string.ascii_lowercase, k=rng.randint(3, 9)))
        ),
        "invented words": words(lambda: "".join(rng.choices(syllables, k=rng.randint(2, 4)))),
        "marks and digits": words(lambda: "".join(rng.choices(marks, k=rng.randint(3, 9)))),
    }


def views(model_id: str, folder: Path, say: Say) -> None:
    """Print recall, AUC and time of one view and of eight averaged views on a dev split."""
    encoder = load(model_id)
    split = read_split(folder, "dev")
    texts = encoder.texts(split.captions)
    images = [decode_for(encoder, source_of(file))[1] for file in split.images]
    say(f"\n{model_id}, dev, {len(images):,} images: recall@1 / 5 / 10 in per cent")
    say(f"{'':<16}{'caption to image':>24}{'image to caption':>24}{'AUC':>8}{'ms an image':>13}")
    for name, embed in (("one view", _one), ("eight views", _eight)):
        start = time.perf_counter()
        rows = embed(encoder, images)
        milliseconds = 1000 * (time.perf_counter() - start) / len(images)
        cosines = texts @ rows.T
        own, other = _pairs(texts, rows, texts[:1], split.owner)["cosine"]
        text_to_image, image_to_text = recall_both_ways(cosines, split.known)
        say(
            f"{name:<16}{text_to_image:>24}{image_to_text:>24}{auc(own, other):>8.4f}"
            f"{milliseconds:>13.1f}"
        )


def _one(encoder: Encoder, images: Sequence[Any]) -> Floats:
    return encoder.images(images)


def _eight(encoder: Encoder, images: Sequence[Any]) -> Floats:
    embeddings = encoder.images(view for image in images for view in explain.views(image))
    return unit(embeddings.reshape(len(images), -1, embeddings.shape[-1]).mean(axis=1))
