"""How well scores can be read, and what averaged views gain and cost."""

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
from components.models import locate, resolve
from components.scores import FAIR, Floats, auc, percentile, unit, zscore

Values = NDArray[np.floating]
_GIBBERISH = 300  # captions of each kind


def scores(model_id: str, folder: Path, say: Say) -> None:
    """Print how well percentile, z and cosine part true captions from other images'.

    ``folder`` has ``images/`` and ``captions.csv``. Each caption meets its own image and one
    other, drawn at random; thresholds are chosen on dev and measured on both splits.
    """
    encoder = load(locate(resolve(model_id)))
    bank = bank_vectors(encoder)
    best: dict[str, float] = {}
    for split in ("dev", "test"):
        read = read_split(folder, split)
        images, texts = vectors(encoder, read.images), encoder.texts(read.captions)
        pairs = _pairs(texts, images, bank, read.truth)
        say(f"\n{model_id}, {split}: {len(read.captions):,} true pairs, as many random ones")
        say(f"{'':<12}{'AUC':>8}{'accuracy at the threshold that is best on dev':>50}")
        for name, (own, other) in pairs.items():
            if split == "dev":
                best[name] = _threshold(own, other)
            accuracy = _accuracy(own, other, best[name])
            say(f"{name:<12}{auc(own, other):>8.4f}{accuracy:>30.4f} at {best[name]:.3f}")
        own, other = pairs["percentile"]
        shares = [(each >= FAIR).mean() for each in (own, other)]
        say(
            f"fair or better (percentile {FAIR:.0%}): accuracy {_accuracy(own, other, FAIR):.4f},"
            f" of true pairs {shares[0]:.1%}, of random ones {shares[1]:.1%}"
        )
        for kind, captions in _gibberish().items():
            found = percentile(encoder.texts(captions) @ images.T, bank @ images.T)
            say(f"gibberish, {kind:<18} fair or better {(found >= FAIR).mean():>6.1%}")


def _pairs(
    texts: Floats, images: Floats, bank: Floats, truth: NDArray[np.intp]
) -> dict[str, tuple[Values, Values]]:
    """Return by name the values (captions,) of each caption's own image and of another."""
    number = len(images)
    away = np.random.default_rng(0).integers(1, number, len(truth))
    others = (truth + away) % number
    cosines, chance = texts @ images.T, bank @ images.T
    rows = np.arange(len(truth))
    tables = {
        "percentile": percentile(cosines, chance),
        "z-score": zscore(cosines, chance),
        "cosine": cosines,
    }
    return {name: (table[rows, truth], table[rows, others]) for name, table in tables.items()}


def _threshold(own: Values, other: Values) -> float:
    candidates = np.quantile(np.concatenate([own, other]), np.linspace(0, 1, 501))
    return float(max(candidates, key=lambda least: _accuracy(own, other, float(least))))


def _accuracy(own: Values, other: Values, least: float) -> float:
    return float(((own >= least).mean() + (other < least).mean()) / 2)


def _gibberish() -> dict[str, list[str]]:
    rng = random.Random(0)  # noqa: S311 - no secret
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
    """Print what averaging eight views of an image gains on ``folder``'s dev split, and costs."""
    encoder = load(locate(resolve(model_id)))
    read = read_split(folder, "dev")
    texts = encoder.texts(read.captions)
    images = [decode_for(encoder, source_of(file))[1] for file in read.images]
    say(f"\n{model_id}, dev, {len(images):,} images: recall@1 / 5 / 10 in per cent")
    say(f"{'':<16}{'caption to image':>24}{'image to caption':>24}{'AUC':>8}{'ms an image':>13}")
    for name, look in (("one view", _one), ("eight views", _eight)):
        start = time.perf_counter()
        rows = look(encoder, images)
        milliseconds = 1000 * (time.perf_counter() - start) / len(images)
        cosines = texts @ rows.T
        own, other = _pairs(texts, rows, texts[:1], read.truth)["cosine"]
        there, back = recall_both_ways(cosines, read.known)
        say(f"{name:<16}{there:>24}{back:>24}{auc(own, other):>8.4f}{milliseconds:>13.1f}")


def _one(encoder: Encoder, images: Sequence[Any]) -> Floats:
    return encoder.images(images)


def _eight(encoder: Encoder, images: Sequence[Any]) -> Floats:
    every = encoder.images(view for image in images for view in explain.views(image))
    return unit(every.reshape(len(images), -1, every.shape[-1]).mean(axis=1))
