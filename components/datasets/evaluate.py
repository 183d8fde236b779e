"""Measures retrieval on a dataset: recall, ranks and MRR with intervals, and pair accuracy."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.datasets.captioned import DataError, Example
from components.encoder import Encoded, Encoder, Skipped, encode
from components.images import source_of
from components.scores import KS, Floats, auc, balanced_accuracy, best_threshold, ranks

CAPTIONS = 5  # of each image, the first five, as in COCO's benchmarks
_RESAMPLES = 1000
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Figure:
    """A figure with its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Direction:
    """One direction of retrieval. ``recall`` is at `KS`; recall and MRR are between 0 and 1."""

    queries: int
    gallery: int
    recall: tuple[Figure, ...]
    median_rank: Figure
    mrr: Figure


@dataclass(frozen=True)
class PairFigures:
    """Separation of true pairs from as many pairs with another image's caption."""

    pairs: int  # of each kind
    accuracy: float
    auc: float


@dataclass(frozen=True)
class Evaluation:
    """All figures of a model on a dataset; ``skipped`` has a sentence for each skipped image."""

    caption_to_image: Direction
    image_to_caption: Direction
    pairs: PairFigures
    skipped: tuple[str, ...]


@dataclass(frozen=True)
class Encodings:
    """Unit vectors: ``images`` (n, width), ``texts`` (m, width), and each text's image (m,)."""

    images: Floats
    texts: Floats
    owner: NDArray[np.intp]
    skipped: tuple[str, ...]
    image_seconds: float  # of the images, from file to vector


def encode_examples(
    encoder: Encoder,
    examples: Sequence[Example],
    template: str = "{}",
    progress: Callable[[int], object] = lambda done: None,
) -> Encodings:
    """Return the vectors of images and of their captions.

    ``template`` contains {} in place of the caption; ``progress`` is called with the number of
    images that are done. Raises DataError where no image can be read.
    """
    vectors, kept, skipped = [], [], []
    began = time.perf_counter()
    sources = [source_of(example.image) for example in examples]
    for done, item in enumerate(encode(encoder, sources), start=1):
        if isinstance(item, Encoded):
            vectors.append(item.vector)
            kept.append(examples[done - 1])
        elif isinstance(item, Skipped):
            skipped.append(item.reason)
        progress(done)
    seconds = time.perf_counter() - began
    if not vectors:
        raise DataError("None of the images can be read.")
    owner = [i for i, example in enumerate(kept) for _ in example.captions[:CAPTIONS]]
    texts = [
        template.replace("{}", caption)
        for example in kept
        for caption in example.captions[:CAPTIONS]
    ]
    images, captions = np.stack(vectors), encoder.texts(texts)
    return Encodings(images, captions, np.array(owner), tuple(skipped), seconds)


def evaluate(scores: Floats, owner: NDArray[np.intp], skipped: Sequence[str] = ()) -> Evaluation:
    """Return the figures of ``scores`` (captions, images); ``owner`` (captions,) the own image.

    Caption to image: each caption is a query with one true image. Image to caption: each image is
    a query, and the best rank among its captions counts (Hodosh et al. 2013). The intervals are
    percentiles of 1,000 bootstrap resamples of the images with their captions, the gallery
    unchanged. Higher scores are better; they may be cosines or a pair matcher's scores.
    """
    captions, images = scores.shape
    known = owner[:, None] == np.arange(images)
    text_to_image, image_to_text = ranks(scores, known), ranks(scores.T, known.T)
    return Evaluation(
        _direction(text_to_image, owner, images, images),
        _direction(image_to_text, np.arange(images), images, captions),
        _pairs(scores, owner),
        tuple(skipped),
    )


def _direction(rank: Values, owner: NDArray[np.intp], images: int, gallery: int) -> Direction:
    """Return the figures of ranks (queries,); queries of one image are resampled together."""
    rng = np.random.default_rng(0)
    drawn = np.stack(
        [
            np.bincount(rng.integers(0, images, images), minlength=images)[owner]
            for _ in range(_RESAMPLES)
        ]
    ).astype(np.float64)  # (resamples, queries): how often each query was drawn
    drawn /= drawn.sum(axis=1, keepdims=True)

    def figure(values: Values) -> Figure:
        low, high = np.percentile(drawn @ values, [2.5, 97.5])
        return Figure(float(values.mean()), float(low), float(high))

    return Direction(
        queries=len(rank),
        gallery=gallery,
        recall=tuple(figure((rank <= k).astype(np.float64)) for k in KS),
        median_rank=_median(rank, drawn),
        mrr=figure(1 / rank),
    )


def _median(rank: Values, drawn: Values) -> Figure:
    """Return the median rank; in a resample, where the weights in order of rank reach half."""
    order = np.argsort(rank, kind="stable")
    reached = (np.cumsum(drawn[:, order], axis=1) >= 0.5 - 1e-9).argmax(axis=1)
    low, high = np.percentile(rank[order][reached], [2.5, 97.5])
    return Figure(float(np.median(rank)), float(low), float(high))


def _pairs(scores: Floats, owner: NDArray[np.intp]) -> PairFigures:
    """Return accuracy and AUC of each caption with its own image and with another's.

    Each half of the images is classified with the threshold that is best on the other half.
    """
    images = scores.shape[1]
    rows = np.arange(len(owner))
    if images < 2:
        return PairFigures(0, float("nan"), float("nan"))
    others = (owner + np.random.default_rng(0).integers(1, images, len(owner))) % images
    own, other = scores[rows, owner], scores[rows, others]
    half = owner % 2 == 0  # by image, so that no image is in both halves
    accuracies = [
        balanced_accuracy(own[test], other[test], best_threshold(own[~test], other[~test]))
        for test in (half, ~half)
    ]
    return PairFigures(len(owner), float(np.mean(accuracies)), auc(own, other))
