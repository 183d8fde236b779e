"""Given labels that are probably wrong, after confident learning."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.labels.assign import Indices
from components.scores import Floats

# Images with the mean of all labels that each label's average includes: one image is no average.
_PRIOR = 5.0
_BETTER = 10.0  # times as probable


@dataclass(frozen=True)
class Opposed:
    """The given label of each of n images against the most probable other one.

    ``given`` (n,) is a label's row, -1 where the image has none of the labels; ``confidence`` (n,)
    its probability, ``other`` and ``other_confidence`` (n,) those of the other label.
    """

    given: Indices
    confidence: Floats
    other: Indices
    other_confidence: Floats

    def averages(self, labels: int) -> Floats:
        """Return (labels,): the mean probability of each label over the images given it.

        Shrunk towards the mean over all images, as if five more were of that mean.
        """
        known = self.given >= 0
        given, own = self.given[known], self.confidence[known]
        overall = own.mean() if len(own) else 0.0
        numbers = np.bincount(given, minlength=labels)
        sums = np.bincount(given, weights=own, minlength=labels)
        averages: Floats = ((sums + _PRIOR * overall) / (numbers + _PRIOR)).astype(np.float32)
        return averages


def oppose(probabilities: Floats, given: Indices) -> Opposed:
    """Return the given labels (n,) against the others by ``probabilities`` (n, labels)."""
    rows, own = np.arange(len(given)), np.maximum(given, 0)
    others = probabilities.copy()
    others[rows, own] = -1.0
    other = others.argmax(axis=1)
    return Opposed(given, probabilities[rows, own], other, probabilities[rows, other])


def joined(parts: list[Opposed]) -> Opposed:
    """Return the images of all parts, in order."""
    return Opposed(
        np.concatenate([part.given for part in parts]),
        np.concatenate([part.confidence for part in parts]),
        np.concatenate([part.other for part in parts]),
        np.concatenate([part.other_confidence for part in parts]),
    )


def is_suspicious(opposed: Opposed, labels: int) -> NDArray[np.bool_]:
    """Return (n,): whether the given label is probably wrong and the other right.

    Where the given label's probability is below the average of its label, as in Northcutt et al.
    2021 ("Confident Learning", section 3.1), and another label is ten times as probable. Their own
    second condition, that the other label reaches its average, misses a third of spoiled labels.
    """
    averages = opposed.averages(labels)
    below = opposed.confidence < averages[np.maximum(opposed.given, 0)]
    better = opposed.other_confidence >= _BETTER * opposed.confidence
    suspicious: NDArray[np.bool_] = (opposed.given >= 0) & below & better
    return suspicious


def suspicious_first(opposed: Opposed, labels: int) -> Indices:
    """Return the images with a given label: the suspicious first, the least probable first.

    Of rankings by probability, margin or entropy, this one found most spoiled labels: see
    `cli.py bench labels`.
    """
    order = np.lexsort((opposed.confidence, ~is_suspicious(opposed, labels)))
    first: Indices = order[opposed.given[order] >= 0]
    return first
