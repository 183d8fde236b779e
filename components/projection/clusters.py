"""Clusters of a map, and the nouns that name them.

They are the dense regions of the map (HDBSCAN, Campello et al. 2013), so that each is one place
that a name can stand on. `cli.py bench projection` compares them with k-means of the vectors.
"""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from components.encoder import Encoder, bank_nouns, bank_vectors
from components.labels.assign import Scorer
from components.scores import Floats, unit

Numbers = NDArray[np.int32]
_SMALLEST = 10  # images of a cluster, and of many images as many as the root of their number
_SAMPLES = 5  # neighbours that make a place dense
_CLUSTERED = 25_000  # points; the time grows with their square, so others join the nearest
# A noun names a cluster where it is this probable for its images, on average over them, among all
# nouns and with the everyday captions as "none of these", and at least half as probable as the best
# one. Chosen for Pocket on Flickr8k, where `cli.py bench projection` prints how often the captions
# of a cluster's images have the noun.
_FITS = 0.1
# And its mean cosine with them is more than the best noun's with all but one in a hundred random
# directions: among 300 nouns one stands out for images that show none of them, too.
_DIRECTIONS, _CHANCE = 1000, 0.99


def clusters(points: Floats) -> Numbers:
    """Return (n,): the number of each point's cluster, -1 for none, for ``points`` (n, 2).

    Cluster 0 is the largest.
    """
    count = len(points)
    least = max(_SMALLEST, int(min(count, _CLUSTERED) ** 0.5))
    if count < 2 * least:
        return np.full(count, -1, dtype=np.int32)
    if count <= _CLUSTERED:
        return _ordered(_dense(points, least))
    from sklearn.neighbors import KNeighborsClassifier

    rows = np.sort(np.random.default_rng(0).permutation(count)[:_CLUSTERED])
    nearest = KNeighborsClassifier(1).fit(points[rows], _dense(points[rows], least))
    return _ordered(nearest.predict(points))


def _dense(points: Floats, least: int) -> Numbers:
    from sklearn.cluster import HDBSCAN

    method = HDBSCAN(
        min_cluster_size=least, min_samples=_SAMPLES, cluster_selection_method="leaf", copy=True
    )
    found: Numbers = method.fit_predict(points).astype(np.int32)
    return found


def _ordered(numbers: Numbers) -> Numbers:
    """Return the numbers of clusters so that a larger cluster has a lower one."""
    sizes = np.bincount(numbers[numbers >= 0])
    order = np.argsort(-sizes, kind="stable")
    rank = np.full(len(sizes) + 1, -1, dtype=np.int32)  # the last one is that of -1
    rank[order] = np.arange(len(sizes))
    ordered: Numbers = rank[numbers]
    return ordered


def noun_vectors(encoder: Encoder) -> tuple[tuple[str, ...], Floats]:
    """Return the bank's nouns, and (nouns, width) unit vectors: the means of their captions."""
    bank = bank_vectors(encoder)
    nouns = bank_nouns()
    means = [bank[list(rows)].mean(axis=0) for rows in nouns.values()]
    return tuple(nouns), unit(np.stack(means))


def names(vectors: Floats, numbers: Numbers, encoder: Encoder) -> tuple[str, ...]:
    """Return a noun for each cluster, "" where none fits; no two names are the same.

    A cluster whose best noun a better one has is "a dog 2", say.

    ``vectors`` (n, width) are unit rows, ``numbers`` (n,) those of `clusters`.
    """
    if not (numbers >= 0).any():
        return ()
    nouns, rows = noun_vectors(encoder)
    scorer = Scorer(rows, bank_vectors(encoder))
    least = _chance(rows)
    groups = [vectors[numbers == number] for number in range(int(numbers.max()) + 1)]
    fits = np.stack([scorer.probabilities(group)[:, :-1].mean(axis=0) for group in groups])
    cosines = np.stack([group.mean(axis=0) @ rows.T for group in groups])
    return _chosen(nouns, np.where(cosines > least, fits, np.float32(0)))


def _chance(nouns: Floats) -> float:
    """Return the `_CHANCE` quantile of the best cosine of ``nouns`` (k, width) by chance.

    Each of `_DIRECTIONS` random directions has one best cosine.
    """
    directions = np.random.default_rng(0).standard_normal((_DIRECTIONS, nouns.shape[1]))
    best = (unit(directions) @ nouns.T).max(axis=1)
    return float(np.quantile(best, _CHANCE))


def _chosen(nouns: tuple[str, ...], fits: Floats) -> tuple[str, ...]:
    """Return the nouns of an assignment with the largest sum of ``fits`` (clusters, nouns)."""
    from scipy.optimize import linear_sum_assignment

    chosen = [""] * len(fits)
    best = fits.max(axis=1, keepdims=True)
    enough = np.where((fits >= _FITS) & (fits >= best / 2), fits, 0.0)
    for cluster, noun in zip(*linear_sum_assignment(enough, maximize=True), strict=True):
        if enough[cluster, noun]:
            chosen[cluster] = nouns[noun]
    used = Counter(chosen)
    unnamed = (best[:, 0] >= _FITS) & (np.array(chosen) == "")
    for number in np.flatnonzero(unnamed).tolist():
        name = nouns[int(fits[number].argmax())]
        used[name] += 1
        chosen[number] = f"{name} {used[name]}" if used[name] > 1 else name
    return tuple(chosen)
