"""Cosine, probability, percentile and bands: pure functions on (captions, images) arrays.

An image's *chance scores* are its cosines with the captions of `components.encoder.chance`, which
describe no particular image.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Band = Literal["no match", "weak", "fair", "strong"]

# The minimum percentile of each band. "fair" begins where Pocket separates true captions best from
# those of other images on Flickr8k's dev split; `cli.py bench scores` measures it, on test too.
BANDS: tuple[tuple[float, Band], ...] = (
    (0.99, "strong"),
    (0.97, "fair"),
    (0.80, "weak"),
    (0.0, "no match"),
)
FAIR = next(minimum for minimum, name in BANDS if name == "fair")


@dataclass(frozen=True)
class ScoreRule:
    """How a checkpoint was trained to turn cosines into probabilities.

    ``softmax``: CLIP's, over the captions of each image, logit = scale * cosine
    (Radford et al. 2021, "Learning Transferable Visual Models", figure 3).
    ``sigmoid``: SigLIP's, of each pair independently, logit = scale * cosine + bias
    (Zhai et al. 2023, "Sigmoid Loss for Language Image Pre-Training", equation 1).
    """

    kind: Literal["softmax", "sigmoid"]
    scale: float
    bias: float = 0.0


def unit(vectors: NDArray[np.floating]) -> Floats:
    """Return the rows of ``vectors`` (n, d) as float32 of length one; a row of zeros stays zero."""
    rows = np.asarray(vectors, dtype=np.float32)
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    units: Floats = rows / np.maximum(length, 1e-12)
    return units


def cosine(texts: Floats, images: Floats) -> Floats:
    """Return (captions, images) cosines of unit rows, between -1 and 1."""
    cosines: Floats = np.clip(texts @ images.T, -1.0, 1.0)
    return cosines


def probability(cosines: Floats, rule: ScoreRule) -> Floats:
    """Return (captions, images) probabilities, 0 to 1, by the checkpoint's rule.

    Softmax: each image's column sums to one. Sigmoid: each cell is independent.
    """
    logits: Floats = np.float32(rule.scale) * cosines + np.float32(rule.bias)
    if rule.kind == "sigmoid":
        halves: Floats = 0.5 * (1.0 + np.tanh(0.5 * logits))  # exp would overflow
        return halves
    if not logits.size:
        return logits
    weights = np.exp(logits - logits.max(axis=0, keepdims=True))
    shares: Floats = weights / weights.sum(axis=0, keepdims=True)
    return shares


def percentile(cosines: Floats, chance: Floats) -> Floats:
    """Return (captions, images) shares, 0 to 1, of an image's chance scores below each cosine.

    ``cosines`` (captions, images), ``chance`` (bank, images). Ties count half.
    """
    shares = np.empty(cosines.shape, dtype=np.float32)
    for column, scores in enumerate(np.sort(chance, axis=0).T):
        lower = np.searchsorted(scores, cosines[:, column], side="left")
        not_higher = np.searchsorted(scores, cosines[:, column], side="right")
        shares[:, column] = (lower + not_higher) / (2 * len(scores))
    return shares


def zscore(cosines: Floats, chance: Floats) -> Floats:
    """Return (captions, images) z-scores: distances from the mean of an image's chance scores.

    In their standard deviations. ``cosines`` (captions, images), ``chance`` (bank, images).
    """
    spread = np.maximum(chance.std(axis=0), 1e-6)
    distances: Floats = (cosines - chance.mean(axis=0)) / spread
    return distances


def band(share: float) -> Band:
    """Return the band of a percentile (0 to 1): see `BANDS`."""
    return next(name for minimum, name in BANDS if share >= minimum)


def explain_bands(mark: str = "") -> str:
    """Return "Bands: no match below 80%, weak from 80%, ..."; ``mark`` surrounds each name."""
    limits = [f"{mark}{name}{mark} from {100 * minimum:g}%" for minimum, name in BANDS[-2::-1]]
    lowest = f"{mark}{BANDS[-1][1]}{mark} below {100 * BANDS[-2][0]:g}%"
    return f"Bands: {', '.join([lowest, *limits])}."


def best_first(scores: Floats) -> NDArray[np.intp]:
    """Return the indices of ``scores`` (n,) from the highest down; ties keep their order."""
    return np.argsort(-scores, kind="stable")
