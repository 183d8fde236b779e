"""Unit vectors -> points of a plane, near ones near."""

import numpy as np

from components.scores import Floats

_SAMPLE = 20_000  # rows that the principal components are computed from
_RADIUS = 99  # percentile of the distances from the middle that becomes 1


def pca(vectors: Floats) -> Floats:
    """Return (n, 2): the two principal components of unit ``vectors`` (n, width), normalised.

    The signs are fixed: the same vectors, the same points.
    """
    if len(vectors) < 2:
        return np.zeros((len(vectors), 2), dtype=np.float32)
    sample = vectors[:: -(-len(vectors) // _SAMPLE)]
    centred = sample - sample.mean(axis=0)
    directions = np.linalg.eigh(centred.T @ centred)[1][:, :-3:-1]  # (width, 2)
    largest = np.abs(directions).argmax(axis=0)
    directions = directions * np.sign(directions[largest, [0, 1]])
    return normalised(vectors @ directions)


def normalised(points: Floats) -> Floats:
    """Return ``points`` (n, 2), centred, nearly all within 1 of the middle."""
    centred = points - points.mean(axis=0) if len(points) else points
    radius = np.percentile(np.linalg.norm(centred, axis=1), _RADIUS) if len(points) else 1.0
    scaled: Floats = (centred / max(float(radius), 1e-6)).astype(np.float32)
    return scaled
