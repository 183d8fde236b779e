"""The scores of captions with images, and the ranked matches that they give."""

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
    prominence,
    zscore,
)

Direction = Literal["images", "captions"]


@dataclass(frozen=True)
class Match:
    """One caption and one image. ``rank`` counts from 1 within its list.

    ``percentile`` (0 to 1) and ``zscore`` are relative to the image's chance scores. ``cosine`` is
    None for a pair matcher, which has no vectors. ``band`` also depends on the other images.
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
    """What turns a model's cosines into probabilities and percentiles.

    ``bank`` (n, width): unit vectors of the chance captions (`components.encoder.chance`).
    """

    rule: ScoreRule
    bank: Floats


@dataclass(frozen=True)
class Scores:
    """Every caption against every image: all arrays are (captions, images)."""

    captions: tuple[str, ...]
    images: tuple[str, ...]
    order: Floats  # what matches are ranked by: the cosine, or a pair matcher's logit
    probability: Floats
    percentile: Floats
    zscore: Floats
    prominence: Floats  # an image's share among all images for a caption; see `band`
    pairs_only: bool = False  # from a pair matcher, which has no vectors and so no cosines

    @property
    def cosine(self) -> Floats:
        """The cosines. Raises TypeError for a pair matcher's scores."""
        if self.pairs_only:
            raise TypeError("a pair matcher has no cosines")
        return self.order

    def match(self, caption: int, image: int, rank: int) -> Match:
        """Return one cell as a match with ``rank``."""
        return Match(
            self.captions[caption],
            self.images[image],
            rank,
            None if self.pairs_only else float(self.order[caption, image]),
            float(self.probability[caption, image]),
            float(self.percentile[caption, image]),
            float(self.zscore[caption, image]),
            band(float(self.percentile[caption, image]), float(self.prominence[caption, image])),
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
        prominence(cosines, chance),
    )


def score_pairs(
    captions: Sequence[str], images: Sequence[str], logits: Floats, chance: Floats
) -> Scores:
    """Return the scores of a pair matcher; each probability is its logit's sigmoid.

    ``logits`` (captions, images); ``chance`` (bank, images): the logits of the chance captions.
    """
    return Scores(
        tuple(captions),
        tuple(images),
        logits,
        probability(logits, ScoreRule("sigmoid", 1.0)),
        percentile(logits, chance),
        zscore(logits, chance),
        prominence(logits, chance),
        pairs_only=True,
    )


def ranked(
    scores: Scores, direction: Direction = "images", top: int | None = None
) -> list[list[Match]]:
    """Return a list of matches for each caption (or each image), best first, at most ``top`` long.

    Matches are ranked by cosine, a pair matcher's by logit.
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
    """Return ``names`` with " (2)", " (3)", ... after the second and later occurrences."""
    seen: Counter[str] = Counter()
    result = []
    for name in names:
        seen[name] += 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return result


def _numbered(indices: Iterable[int], top: int | None) -> list[tuple[int, int]]:
    return list(enumerate(indices, start=1))[:top]
