"""Captions against images: who matches whom, in which order, with which scores."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from components.scores.measures import (
    Band,
    Floats,
    ScoreRule,
    band,
    best_first,
    cosine,
    percentile,
    probability,
    zscore,
)

Direction = Literal["images", "captions"]


@dataclass(frozen=True)
class Match:
    """One caption and one image. ``rank`` counts from 1 within the list that was asked for.

    ``percentile`` (0 to 1) and ``zscore`` place it among the image's chance scores. A matcher
    that has no vectors, only pairs, has no ``cosine``.
    """

    caption: str
    image: str
    rank: int
    cosine: float | None
    probability: float
    percentile: float
    zscore: float
    band: Band


@dataclass(frozen=True)
class Calibration:
    """How a model's cosines are read: its rule, and the unit vectors ``bank`` (n, width) of
    captions that were written for no image (`components.encoder.chance`).
    """

    rule: ScoreRule
    bank: Floats


@dataclass(frozen=True)
class Scores:
    """Every caption against every image: all arrays are (captions, images)."""

    captions: tuple[str, ...]
    images: tuple[str, ...]
    order: Floats  # what ranks go by: the cosine, or where there is none, the logit
    probability: Floats
    percentile: Floats
    zscore: Floats
    pairs_only: bool = False  # of a matcher that has no vectors, so no cosine

    @property
    def cosine(self) -> Floats:
        """The cosines. Raises TypeError of a matcher that has none."""
        if self.pairs_only:
            raise TypeError("a matcher that scores pairs alone has no cosines")
        return self.order

    def match(self, caption: int, image: int, rank: int) -> Match:
        """Return one cell with a rank beside it."""
        return Match(
            self.captions[caption],
            self.images[image],
            rank,
            None if self.pairs_only else float(self.order[caption, image]),
            float(self.probability[caption, image]),
            float(self.percentile[caption, image]),
            float(self.zscore[caption, image]),
            band(float(self.percentile[caption, image])),
        )

    def images_of(self, caption: int) -> list[int]:
        """Return image indices, best for this caption first."""
        return [int(i) for i in best_first(self.order[caption])]

    def captions_of(self, image: int) -> list[int]:
        """Return caption indices, best for this image first."""
        return [int(i) for i in best_first(self.order[:, image])]


def score(
    captions: Sequence[str],
    images: Sequence[str],
    text_vectors: Floats,
    image_vectors: Floats,
    calibration: Calibration,
) -> Scores:
    """Return the scores of unit rows: ``text_vectors`` (captions, width),
    ``image_vectors`` (images, width).
    """
    cosines, chance = cosine(text_vectors, image_vectors), cosine(calibration.bank, image_vectors)
    return Scores(
        tuple(captions),
        tuple(images),
        cosines,
        probability(cosines, calibration.rule),
        percentile(cosines, chance),
        zscore(cosines, chance),
    )


def score_pairs(
    captions: Sequence[str], images: Sequence[str], logits: Floats, chance: Floats
) -> Scores:
    """Return the scores of a matcher that knows pairs alone, each a probability by itself.

    ``logits`` (captions, images); ``chance`` (bank, images) those of the bank of everyday captions.
    """
    each = probability(logits, ScoreRule("sigmoid", 1.0))
    shares, distances = percentile(logits, chance), zscore(logits, chance)
    return Scores(tuple(captions), tuple(images), logits, each, shares, distances, pairs_only=True)


def ranked(
    scores: Scores, direction: Direction = "images", top: int | None = None
) -> list[list[Match]]:
    """Return a list of matches for each caption (or for each image), best first, ``top`` long.

    Lists and ranks go by cosine where there is one, the probability stands beside it.
    """
    if direction == "images":
        return [
            [scores.match(row, i, rank) for rank, i in _numbered(scores.images_of(row), top)]
            for row in range(len(scores.captions))
        ]
    return [
        [scores.match(i, column, rank) for rank, i in _numbered(scores.captions_of(column), top)]
        for column in range(len(scores.images))
    ]


def distinct(names: Sequence[str]) -> list[str]:
    """Return ``names`` with " (2)", " (3)", ... after the second and later ones of a kind."""
    seen: Counter[str] = Counter()
    result = []
    for name in names:
        seen[name] += 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return result


def _numbered(indices: Iterable[int], top: int | None) -> list[tuple[int, int]]:
    return list(enumerate(indices, start=1))[:top]
