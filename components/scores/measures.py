"""Cosine, probability, percentile, prominence and bands: pure functions on arrays.

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
# "strong" also needs this prominence, and reads "fair" below it. Chosen for Pocket on dev splits
# of Flickr8k and of captions from the web. On test, nine in ten first places that read "strong" are
# right among 50 images, eight in ten among 200. `cli.py bench bands` measures it (docs/trust.md).
PROMINENT = 0.6
_SHARPNESS = 2.0  # logits per standard deviation of chance scores
_EVERYDAY = 25.0  # how many everyday captions each image is compared with, as a weight
# Measured by `cli.py bench bands` on the test splits, galleries of 50: strong 90%, fair 40 to 54%.
_TESTED = (
    "In tests of Pocket with 50 images, the first image was right 9 times in 10 where it read"
    " {strong}, and 4 to 5 times in 10 where it read {fair}."
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


def prominence(scores: Floats, chance: Floats, gallery: Floats | None = None) -> Floats:
    """Return (captions, images) shares, 0 to 1, of each image among all images for a caption.

    ``scores`` (captions, images) and ``chance`` (bank, images) are cosines or logits; ``gallery``
    (captions, m) are the scores of all images that compete, ``scores`` by default. A softmax over
    the images, and over the image's chance scores with the weight of 25 captions: near 1, hardly
    another image fits the caption as well, and hardly an everyday caption the image. One logit is
    half a standard deviation of chance scores, so that no model's own scale enters.
    """
    if not scores.size:
        return scores
    scale = _SHARPNESS / max(float(chance.std(axis=0).mean()), 1e-6)
    images = _log_sum_exp(scale * (scores if gallery is None else gallery), axis=1)
    bank = _log_sum_exp(scale * chance, axis=0) + np.log(_EVERYDAY / len(chance))
    logits = scale * scores
    rivals = np.logaddexp(np.maximum(images, logits), bank)  # an image always competes with itself
    shares: Floats = np.exp(logits - rivals).astype(np.float32)
    return shares


def _log_sum_exp(logits: Floats, axis: int) -> Floats:
    """Return the logarithm of the sum of exponentials along ``axis``, which stays as length one."""
    highest = logits.max(axis=axis, keepdims=True)
    total: Floats = highest + np.log(np.exp(logits - highest).sum(axis=axis, keepdims=True))
    return total


def band(percentile: float, prominence: float) -> Band:
    """Return the band of a percentile and a prominence (both 0 to 1): see `BANDS`, `PROMINENT`."""
    name = next(name for minimum, name in BANDS if percentile >= minimum)
    return "fair" if name == "strong" and prominence < PROMINENT else name


def explain_bands(mark: str = "") -> str:
    """Return "Bands: no match below 80%, weak from 80%, ...", and how often they are right.

    ``mark`` surrounds each name.
    """
    limits = [f"{mark}{name}{mark} from {100 * minimum:g}%" for minimum, name in BANDS[-2::-1]]
    lowest = f"{mark}{BANDS[-1][1]}{mark} below {100 * BANDS[-2][0]:g}%"
    return (
        f"Bands: {', '.join([lowest, *limits])} if the image also stands out from the other images."
        f" Where several images fit about as well, each is {mark}fair{mark} at most."
        f" {_TESTED.format(strong=f'{mark}strong{mark}', fair=f'{mark}fair{mark}')}"
    )


def best_first(scores: Floats) -> NDArray[np.intp]:
    """Return the indices of ``scores`` (n,) from the highest down; ties keep their order."""
    return np.argsort(-scores, kind="stable")
