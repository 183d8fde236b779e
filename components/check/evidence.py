"""Evidence for and against each pair of a captioned dataset: pure functions on unit vectors.

The nearest captions and images of a pair as evidence follow Zhang et al. 2024, "LEMoN: Label Error
Detection using Multimodal Neighbors".
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from components.check.caption_set import Indices
from components.scores import Floats

NEIGHBOURS = 10  # images, or captions, that are asked about a pair
_CELLS, _PAIRS = 16_000_000, 1024  # of a block at most: 64 MB of cosines
_QUERIES = 4096  # rows whose neighbours are searched at a time
_NOTHING = np.float32(-2)  # below every cosine
Progress = Callable[[float], object]  # called with the share that is done; to stop, raise from it


@dataclass(frozen=True)
class Evidence:
    """What speaks for or against each pair; every field is (pairs,).

    ``cosine`` of caption and image; ``percentile`` of it among the image's chance captions (0 to
    1), and ``zscore``, its distance from their mean in standard deviations; ``image_rank`` of the
    image among all images for the caption, and ``caption_rank`` of the caption among the other
    images' captions for the image, both from 1; ``image_margin`` and ``caption_margin``, the cosine
    less the best other image's, and less the best caption's of another image; ``siblings``, the
    mean cosine with the image's other captions, NaN where it has none; ``near_captions``, the mean
    cosine with the captions of the most similar images, and ``near_images``, that of the image with
    the images of the most similar captions; ``best_image`` and ``best_caption``, the best other
    image and the best caption (row) of another image, -1 where there is none.
    """

    cosine: Floats
    percentile: Floats
    zscore: Floats
    image_rank: Indices
    caption_rank: Indices
    image_margin: Floats
    caption_margin: Floats
    siblings: Floats
    near_captions: Floats
    near_images: Floats
    best_image: Indices
    best_caption: Indices


@dataclass(frozen=True)
class Space:
    """A dataset's unit vectors, and what all of its pairs are compared with.

    ``images`` (n, d), ``texts`` (m, d), ``owner`` (m,) the image of each caption, ``chance``
    (bank, d) the vectors of chance captions. ``sums`` (n, d) are the sums of each image's captions,
    ``counts`` (n,) their numbers; ``near`` (n, d) the mean caption of the most similar images;
    ``similar`` (m, k) the rows of the most similar captions, best first, itself among them.
    """

    images: Floats
    texts: Floats
    owner: Indices
    chance: Floats
    sums: Floats
    counts: Indices
    near: Floats
    similar: Indices

    @classmethod
    def of(
        cls,
        images: Floats,
        texts: Floats,
        owner: Indices,
        chance: Floats,
        progress: Progress = lambda share: None,
    ) -> Self:
        """Return the space of a dataset; FAISS finds the neighbours, exactly."""
        sums = np.zeros_like(images)
        np.add.at(sums, owner, texts)
        counts = np.bincount(owner, minlength=len(images))
        most = int(counts.max())  # an image's own captions are the nearest of each other
        total = len(images) + len(texts)
        done = 0

        def found(share: float) -> None:
            progress((done + share) / total)

        nearest = _neighbours(images, NEIGHBOURS + 1, found)
        done = len(images)
        similar = _neighbours(texts, NEIGHBOURS + min(most, 32), found)
        means = sums / np.maximum(counts, 1).astype(np.float32)[:, None]
        near = np.stack([_mean_of_others(means, row, nearest[row]) for row in range(len(images))])
        return cls(images, texts, owner, chance, sums, counts, near, similar)

    @cached_property
    def _by_image(self) -> tuple[Indices, Indices]:
        """The captions' rows in the order of their images, and where each image's begin."""
        order = np.argsort(self.owner, kind="stable")
        return order, np.cumsum(self.counts) - self.counts

    def siblings_of(self, slots: Indices) -> tuple[Indices, Indices]:
        """Return (k,) positions in ``slots`` and (k,) rows: the other captions of their images."""
        order, starts = self._by_image
        number = self.counts[self.owner[slots]]
        position = np.repeat(np.arange(len(slots)), number)
        within = np.arange(len(position)) - np.repeat(np.cumsum(number) - number, number)
        rows = order[starts[self.owner[slots]][position] + within]
        others = rows != slots[position]
        return position[others], rows[others]


def evidence(
    space: Space,
    rows: Indices | None = None,
    slots: Indices | None = None,
    progress: Progress = lambda share: None,
) -> Evidence:
    """Return the evidence on every pair, or on captions ``rows`` in the places of ``slots``.

    A caption in the place of another one has that one's image and siblings, while the caption that
    it displaces competes with it: as if just these two had been exchanged.
    """
    rows = np.arange(len(space.texts)) if rows is None else rows
    slots = rows if slots is None else slots
    size = min(_PAIRS, max(1, _CELLS // max(len(space.images), len(space.texts))))
    parts = []
    for start in range(0, len(rows), size):
        parts.append(_block(space, rows[start : start + size], slots[start : start + size]))
        progress(min(1.0, (start + size) / len(rows)))
    return Evidence(**{name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def _neighbours(vectors: Floats, number: int, progress: Progress) -> Indices:
    """Return (rows, number) the nearest rows, itself among them. ``progress`` is given rows."""
    import faiss

    parts = []
    number = min(number, len(vectors))
    for start in range(0, len(vectors), _QUERIES):
        queries = vectors[start : start + _QUERIES]
        parts.append(faiss.knn(queries, vectors, number, metric=faiss.METRIC_INNER_PRODUCT)[1])
        progress(start + len(queries))
    return np.concatenate(parts)


def _mean_of_others(means: Floats, row: int, nearest: Indices) -> Floats:
    mean: Floats = means[nearest[nearest != row][:NEIGHBOURS]].mean(axis=0, dtype=np.float32)
    return mean


def _block(space: Space, rows: Indices, slots: Indices) -> dict[str, Floats | Indices]:
    """Return the fields of `Evidence` for some pairs."""
    at = space.owner[slots]
    texts, images = space.texts[rows], space.images[at]
    cosine = _dot(texts, images)
    each = np.arange(len(rows))
    chance = images @ space.chance.T  # (pairs, bank)

    among_images = texts @ space.images.T  # (pairs, n)
    among_images[each, at] = _NOTHING
    image_rank, image_margin, best_image = _standing(cosine, among_images)

    among_captions = images @ space.texts.T  # (pairs, m)
    position, siblings = space.siblings_of(slots)
    among_captions[position, siblings] = _NOTHING
    among_captions[each, rows] = _NOTHING
    caption_rank, caption_margin, best_caption = _standing(cosine, among_captions)

    others = space.counts[at] - 1
    with np.errstate(invalid="ignore", divide="ignore"):
        agreement = _dot(texts, space.sums[at] - space.texts[slots]) / others
    return {
        "cosine": cosine,
        "percentile": (chance < cosine[:, None]).mean(axis=1, dtype=np.float32),
        "zscore": (cosine - chance.mean(axis=1)) / np.maximum(chance.std(axis=1), 1e-6),
        "image_rank": image_rank,
        "caption_rank": caption_rank,
        "image_margin": image_margin,
        "caption_margin": caption_margin,
        "siblings": np.where(others > 0, agreement, np.float32("nan")),
        "near_captions": _dot(texts, space.near[at]),
        "near_images": _near_images(space, rows, at, images),
        "best_image": best_image,
        "best_caption": best_caption,
    }


def _standing(cosine: Floats, others: Floats) -> tuple[Indices, Floats, Indices]:
    """Return ranks, margins to the best, and the best of ``others`` (pairs, k)."""
    best = others.argmax(axis=1)
    highest = others[np.arange(len(cosine)), best]
    rank: Indices = (others > cosine[:, None]).sum(axis=1) + 1
    return rank, cosine - highest, np.where(highest > _NOTHING, best, -1)


def _near_images(space: Space, rows: Indices, at: Indices, images: Floats) -> Floats:
    """Return (pairs,) mean cosines of images with those of the most similar captions."""
    similar = space.similar[rows]  # (pairs, k)
    theirs = space.owner[similar]
    counted = (theirs != at[:, None]) & (similar != rows[:, None])
    counted &= np.cumsum(counted, axis=1) <= NEIGHBOURS
    cosines = np.einsum("pkd,pd->pk", space.images[theirs], images, optimize=True)
    mean: Floats = (cosines * counted).sum(axis=1) / np.maximum(counted.sum(axis=1), 1)
    return mean


def _dot(left: Floats, right: Floats) -> Floats:
    products: Floats = np.einsum("pd,pd->p", left, right)
    return products
