"""Each image's best label, with a calibrated confidence, and "none of these"."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from components.labels.label_list import NONE
from components.scores import Floats

Indices = NDArray[np.intp]

# Chosen for Pocket by likelihood on Flickr8k's dev and test splits: 6, 10 and 100 labels that the
# captions tell, up to 1,000 that a classifier is sure of. `cli.py bench labels` measures them.
LOGITS = 2.5  # logits per standard deviation of an image's chance scores
EVERYDAY = 7.0  # how many labels the everyday captions together weigh as much as
LEAST_GIVEN = 50  # images with a given label, for `fitted`
_CANDIDATES = np.geomspace(1.0, 8.0, 19)


@dataclass(frozen=True)
class Scorer:
    """Turns images into probabilities of labels.

    ``labels`` (k, width) and the chance captions ``bank`` (b, width), those of
    `components.encoder.bank_vectors`, are unit vectors.
    """

    labels: Floats
    bank: Floats
    logits: float = LOGITS

    def probabilities(self, images: Floats) -> Floats:
        """Return (n, k + 1) probabilities of each label and, last, of none of them.

        ``images`` (n, width) are unit vectors; rows sum to one. A softmax over cosines in standard
        deviations of the image's chance scores, so that no model's own scale enters. The chance
        captions compete with the labels, as "none of these".
        """
        chance = images @ self.bank.T
        spread = np.maximum(chance.std(axis=1, keepdims=True), 1e-6)
        scale = self.logits / spread
        weight = np.log(EVERYDAY / len(self.bank))
        none = _log_sum_exp(scale * chance) + weight
        logits = np.concatenate([scale * (images @ self.labels.T), none], axis=1)
        shares: Floats = np.exp(logits - _log_sum_exp(logits)).astype(np.float32)
        return shares


def _log_sum_exp(logits: Floats) -> Floats:
    """Return (n, 1): the logarithm of the sum of exponentials of each row."""
    highest = logits.max(axis=1, keepdims=True)
    total: Floats = highest + np.log(np.exp(logits - highest).sum(axis=1, keepdims=True))
    return total


def fitted(scorer: Scorer, images: Floats, given: Indices) -> Scorer:
    """Return a scorer whose probabilities fit ``given`` (n,) labels best, -1 for none.

    One number is fitted, the logits, by likelihood. With fewer than `LEAST_GIVEN` labels the
    scorer stays as it is.
    """
    known = np.flatnonzero(given >= 0)
    if len(known) < LEAST_GIVEN:
        return scorer
    candidates = [replace(scorer, logits=float(logits)) for logits in _CANDIDATES]
    losses = [_loss(each, images[known], given[known]) for each in candidates]
    return candidates[int(np.argmin(losses))]


def _loss(scorer: Scorer, images: Floats, given: Indices) -> float:
    own = scorer.probabilities(images)[np.arange(len(given)), given]
    return float(-np.log(own + 1e-6).mean())  # a wrong label must not weigh without limit


@dataclass(frozen=True)
class Labelling:
    """The two most probable labels of n images. ``names`` (k + 1,) end with "None of these".

    ``best`` and ``second`` (n,) are rows of ``names``; ``confidence`` and ``second_confidence``
    (n,) are their probabilities.
    """

    names: tuple[str, ...]
    best: Indices
    confidence: Floats
    second: Indices
    second_confidence: Floats

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.best)

    @property
    def counts(self) -> Indices:
        """The number of images of each name, (k + 1,)."""
        return np.bincount(self.best, minlength=len(self.names))

    def images_of(self, label: int) -> Indices:
        """Return the images whose best label is this one, the most confident first."""
        rows = np.flatnonzero(self.best == label)
        images: Indices = rows[np.argsort(-self.confidence[rows], kind="stable")]
        return images


def assign(names: Sequence[str], chunks: Iterable[Floats]) -> Labelling:
    """Return the two most probable labels of each image, from chunks of `Scorer.probabilities`."""
    parts = [_two_best(chunk) for chunk in chunks]
    best, second = (
        np.concatenate([part[0][:, place] for part in parts] or [np.zeros(0, dtype=np.intp)])
        for place in (0, 1)
    )
    confidence, second_confidence = (
        np.concatenate([part[1][:, place] for part in parts] or [np.zeros(0, dtype=np.float32)])
        for place in (0, 1)
    )
    return Labelling((*names, NONE), best, confidence, second, second_confidence)


def _two_best(shares: Floats) -> tuple[Indices, Floats]:
    """Return the (n, 2) columns of the largest ``shares`` (n, k + 1), and their values."""
    two = np.argpartition(-shares, 1, axis=1)[:, :2]
    order = np.argsort(-np.take_along_axis(shares, two, axis=1), axis=1, kind="stable")
    two = np.take_along_axis(two, order, axis=1)
    return two, np.take_along_axis(shares, two, axis=1)
