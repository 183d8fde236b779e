"""Cosine, probability, percentile, ranks: pure functions on arrays, captions down, pictures across.

A picture's *chance scores* are its cosines with the captions of `components.encoder.chance`, which
were written for no picture in particular.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
Band = Literal["no match", "weak", "fair", "strong"]

# The least percentile of each band. "fair" begins where true captions part best from those of other
# pictures on Flickr8k's dev split, with Pocket; `cli.py bench scores` measures it, on test too.
BANDS: tuple[tuple[float, Band], ...] = (
    (0.99, "strong"),
    (0.97, "fair"),
    (0.80, "weak"),
    (0.0, "no match"),
)
FAIR = 0.97


@dataclass(frozen=True)
class ScoreRule:
    """How a checkpoint was trained to turn cosines into probabilities.

    ``softmax``: CLIP's, over the captions of one picture, logits = scale * cosine
    (Radford et al. 2021, "Learning Transferable Visual Models", figure 3).
    ``sigmoid``: SigLIP's, each pair alone, logit = scale * cosine + bias
    (Zhai et al. 2023, "Sigmoid Loss for Language Image Pre-Training", equation 1).
    """

    kind: Literal["softmax", "sigmoid"]
    scale: float
    bias: float = 0.0


def unit(vectors: NDArray[np.floating]) -> Matrix:
    """Return the rows of ``vectors`` (n, d) as float32 of length one; a row of zeros stays zero."""
    rows = np.asarray(vectors, dtype=np.float32)
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    units: Matrix = rows / np.maximum(length, 1e-12)
    return units


def cosine(texts: Matrix, images: Matrix) -> Matrix:
    """Return (captions, pictures) cosines of unit rows, between -1 and 1."""
    cosines: Matrix = np.clip(texts @ images.T, -1.0, 1.0)
    return cosines


def probability(cosines: Matrix, rule: ScoreRule) -> Matrix:
    """Return (captions, pictures) probabilities between 0 and 1, as the checkpoint was trained.

    Softmax: each picture's column sums to one over the captions present. Sigmoid: each cell alone.
    """
    logits: Matrix = np.float32(rule.scale) * cosines + np.float32(rule.bias)
    if rule.kind == "sigmoid":
        halves: Matrix = 0.5 * (1.0 + np.tanh(0.5 * logits))  # exp would overflow
        return halves
    if not logits.size:
        return logits
    weights = np.exp(logits - logits.max(axis=0, keepdims=True))
    shares: Matrix = weights / weights.sum(axis=0, keepdims=True)
    return shares


def percentile(cosines: Matrix, chance: Matrix) -> Matrix:
    """Return (captions, pictures) shares, 0 to 1, of a picture's chance scores that are lower.

    ``cosines`` (captions, pictures), ``chance`` (bank, pictures). Equal ones count half.
    """
    shares = np.empty(cosines.shape, dtype=np.float32)
    for column, scores in enumerate(np.sort(chance, axis=0).T):
        lower = np.searchsorted(scores, cosines[:, column], side="left")
        not_higher = np.searchsorted(scores, cosines[:, column], side="right")
        shares[:, column] = (lower + not_higher) / (2 * len(scores))
    return shares


def zscore(cosines: Matrix, chance: Matrix) -> Matrix:
    """Return (captions, pictures) distances from the mean of a picture's chance scores.

    In their standard deviations. ``cosines`` (captions, pictures), ``chance`` (bank, pictures).
    """
    spread = np.maximum(chance.std(axis=0), 1e-6)
    distances: Matrix = (cosines - chance.mean(axis=0)) / spread
    return distances


def band(share: float) -> Band:
    """Return the word for a percentile (0 to 1): see `BANDS`."""
    return next(word for least, word in BANDS if share >= least)


def best_first(scores: Matrix) -> NDArray[np.intp]:
    """Return the indices of ``scores`` (n,) from the highest down; equals keep their order."""
    return np.argsort(-scores, kind="stable")
