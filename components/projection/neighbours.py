"""The nearest images of each image, in blocks that report progress."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.scores import Floats

Indices = NDArray[np.int64]
Near = tuple[Indices, Floats]  # (n, k) rows of the nearest of each of n, and their cosines
# Takes the share that is done, 0 to 1, of what. To stop, raise from it.
Progress = Callable[[float, str], object]
_BLOCK = 1024  # images between two reports of progress
_EXACT_UP_TO = 30_000  # rows; of more, inverted lists are searched
_PROBES = 32  # inverted lists that are visited


def neighbours(vectors: Floats, count: int, progress: Progress) -> Near:
    """Return (n, k) rows of the nearest others of unit ``vectors`` (n, width), and their cosines.

    The nearest first; k is ``count``, or fewer where there are not as many others. Beyond 30,000
    vectors a few may be missed.
    """
    if len(vectors) < 2:
        return np.zeros((len(vectors), 0), np.int64), np.zeros((len(vectors), 0), np.float32)
    rows, cosines = nearest(vectors, vectors, min(count + 1, len(vectors)), progress)
    own = rows == np.arange(len(rows))[:, None]
    own[~own.any(axis=1), -1] = True  # equal vectors came before it
    kept = (len(rows), rows.shape[1] - 1)
    return rows[~own].reshape(kept), cosines[~own].reshape(kept)


def nearest(queries: Floats, vectors: Floats, count: int, progress: Progress) -> Near:
    """Return (q, count) rows of the ``vectors`` nearest to ``queries`` (q, width), and cosines."""
    index = _index(vectors)
    found = []
    for start in range(0, len(queries), _BLOCK):
        progress(start / len(queries), "Finding neighbours")
        found.append(index.search(queries[start : start + _BLOCK], count))
    cosines, rows = (np.concatenate(part) for part in zip(*found, strict=True))
    # Inverted lists with few vectors may return less than `count`, as row -1.
    return np.maximum(rows, 0), np.clip(cosines, -1.0, 1.0)


def _index(vectors: Floats) -> Any:
    import faiss

    exact = len(vectors) <= _EXACT_UP_TO
    lists = int(4 * np.sqrt(len(vectors)))
    kind = "Flat" if exact else f"IVF{lists},Flat"
    index: Any = faiss.index_factory(vectors.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
    if not exact:
        index.train(vectors[:: -(-len(vectors) // (40 * lists))])
        index.nprobe = _PROBES
    index.add(vectors)
    return index
