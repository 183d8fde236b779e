"""Cosine, probability and ranks: pure functions on arrays, captions down and pictures across."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]


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


def best_first(scores: Matrix) -> NDArray[np.intp]:
    """Return the indices of ``scores`` (n,) from the highest down; equals keep their order."""
    return np.argsort(-scores, kind="stable")
