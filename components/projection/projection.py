"""Unit vectors -> points of a plane, near ones near: t-SNE, and principal components at once.

t-SNE (van der Maaten & Hinton 2008) by openTSNE, started from the principal components, so that
what is far apart stays so (Kobak & Berens 2019, "The art of using t-SNE"). `cli.py bench
projection` compares it with UMAP.
"""

import os
from typing import Any

import numpy as np

from components.projection.neighbours import Near, Progress, nearest, neighbours
from components.scores import Floats

FITTED = 10_000  # vectors that t-SNE sees; more are placed by their neighbours among them
_PERPLEXITY = 15  # about as many neighbours keep an image in its place
NEIGHBOURS = 3 * _PERPLEXITY  # of each vector, which t-SNE draws to it
# Gradient steps with exaggerated attraction, and without; how coarsely distant points are summed.
# Of 8,000 vectors, 400 steps at half of it take twice as long and keep no more neighbours.
_EARLY, _STEPS, _COARSE = 100, 150, 1.0
_REPORTED = 10  # steps between two reports of progress
_PLACED_BY = 3  # neighbours; the median of their places keeps more neighbours than their mean
_ALONE = 2_000  # vectors up to which threads would wait for each other more than they gain
_FEW = 10  # vectors that t-SNE has nothing to say about
_SAMPLE = 20_000  # rows that the principal components are computed from
_RADIUS = 99  # percentile of the distances from the middle that becomes 1


def fit(
    vectors: Floats, progress: Progress, near: Near | None = None, most: int = FITTED
) -> Floats:
    """Return (n, 2) points for unit ``vectors`` (n, width), normalised as `normalised` says.

    The same vectors get the same points. ``progress`` takes the share that is done, of what; to
    stop, raise from it. ``near`` are the `NEIGHBOURS` nearest, where they are known already. Of
    more than ``most``, so many are fitted, and the others are placed among them.
    """
    if len(vectors) <= _FEW:
        return pca(vectors)
    if len(vectors) <= most:
        near = near or neighbours(vectors, NEIGHBOURS, progress)
        return normalised(_tsne(vectors, near, progress))
    fitted = np.zeros(len(vectors), dtype=np.bool_)
    fitted[np.random.default_rng(0).permutation(len(vectors))[:most]] = True
    sample = vectors[fitted]
    points = np.zeros((len(vectors), 2), dtype=np.float32)
    points[fitted] = _tsne(sample, neighbours(sample, NEIGHBOURS, progress), progress)
    points[~fitted] = place(vectors[~fitted], sample, points[fitted], progress)
    return normalised(points)


def place(new: Floats, known: Floats, points: Floats, progress: Progress) -> Floats:
    """Return (m, 2) points for ``new`` (m, width) among ``known`` (n, width) at ``points`` (n, 2).

    Each is put where its nearest among the known are.
    """
    rows, _ = nearest(new, known, min(_PLACED_BY, len(known)), progress)
    placed: Floats = np.median(points[rows], axis=1).astype(np.float32)
    return placed


def _tsne(vectors: Floats, near: Near, progress: Progress) -> Floats:
    progress(0.0, "Arranging images")
    embedding = _embedding(vectors, near)

    def how(before: int) -> Any:
        def step(iteration: int, _error: float, _points: object) -> None:
            progress((before + iteration) / (_EARLY + _STEPS), "Arranging images")

        return {"callbacks": step, "callbacks_every_iters": _REPORTED, "theta": _COARSE}

    embedding = embedding.optimize(_EARLY, exaggeration=12, momentum=0.5, **how(0))
    embedding = embedding.optimize(_STEPS, momentum=0.8, **how(_EARLY))
    points: Floats = np.asarray(embedding, dtype=np.float32)
    return points


def _embedding(vectors: Floats, near: Near) -> Any:
    """Return openTSNE's embedding before its first step."""
    import openTSNE  # type: ignore[import-untyped] # it has no stubs
    from openTSNE import affinity, nearest_neighbors

    rows, cosines = near
    distances = np.sqrt(np.maximum(2 - 2 * cosines, 0))
    cores = (os.cpu_count() or 1) if len(vectors) > _ALONE else 1
    affinities = affinity.PerplexityBasedNN(
        perplexity=min(_PERPLEXITY, rows.shape[1] / 3),
        knn_index=nearest_neighbors.PrecomputedNeighbors(rows, distances),
        n_jobs=cores,
    )
    start = 1e-4 * pca(vectors).astype(np.float64)  # so small that all points attract each other
    return openTSNE.TSNEEmbedding(start, affinities, n_jobs=cores, random_state=0)


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
    """Return ``points`` (n, 2), centred; the 99th percentile of their radius is 1."""
    if not len(points):
        return points
    centred = points - points.mean(axis=0)
    radius = np.percentile(np.linalg.norm(centred, axis=1), _RADIUS)
    scaled: Floats = (centred / max(float(radius), 1e-5)).astype(np.float32)
    return scaled
