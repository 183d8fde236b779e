"""Nearest-neighbour search by FAISS.

Up to EXACT_UP_TO rows the search is exact. Beyond, vectors are kept as 4-bit product quantisation
codes (Jégou et al. 2011, "Product Quantization for Nearest Neighbor Search"; the fast scan of
André et al. 2015, "Cache locality is not enough"), and from INVERTED_FROM rows on in inverted
lists, of which a query visits a few. The codes only choose a shortlist; results are ordered by the
exact cosines of the vectors.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from components.collection.vectors import Rows, Vectors
from components.scores import Floats, best_first

Allowed = NDArray[np.bool_]
Queries = Callable[[], Floats]

EXACT_UP_TO = 10_000  # rows: about a millisecond on one core
INVERTED_FROM = 250_000  # rows: from here on, scanning all codes takes over a millisecond
_TRAINING = 4096  # rows to train the sixteen codewords of each subspace; FAISS uses no more
_TOP = 10  # what recall is measured at
_ADD = 1024  # rows added at a time, as FAISS needs 6 KB a row meanwhile
_TRAINING_A_LIST = 40  # training rows for each inverted list; FAISS advises at least 39
_RECALL = 0.98  # recall@10 that a build aims at


@dataclass(frozen=True)
class Effort:
    """What a query costs: candidates whose exact cosines are computed, inverted lists visited."""

    shortlist: int = 64
    probes: int = 64

    def more(self, lists: int) -> "Effort":
        """Return twice as much of one; unchanged at the maximum."""
        if self.shortlist < 1024:
            return replace(self, shortlist=2 * self.shortlist)
        return replace(self, probes=max(self.probes, min(2 * self.probes, lists)))


class FaissIndex:
    """A FAISS index over vectors on disk. Rows are numbered from 0 in the order they were added."""

    def __init__(self, index: Any, vectors: Vectors, effort: Effort = Effort()) -> None:
        self._index = index
        self._vectors = vectors
        self.effort = effort

    @classmethod
    def create(cls, vectors: Vectors) -> Self:
        """Return an empty index, trained, of the kind that suits the number of ``vectors``."""
        import faiss

        index: Any = faiss.index_factory(
            vectors.width, kind_for(len(vectors), vectors.width), faiss.METRIC_INNER_PRODUCT
        )
        if not index.is_trained:
            if hasattr(index, "cp"):  # the k-means of the inverted lists
                index.cp.niter, index.cp.min_points_per_centroid = 10, 1
                index.by_residual = False  # so one set of codes serves every list
            lists = getattr(index, "nlist", 0)
            index.train(_sample(vectors, max(_TRAINING, _TRAINING_A_LIST * lists)))
        return cls(index, vectors)

    @property
    def exact(self) -> bool:
        """Return whether every search is exact."""
        return type(self._index).__name__.startswith("IndexFlat")

    @property
    def lists(self) -> int:
        """The number of inverted lists; 0 where all codes are scanned."""
        return int(getattr(self._index, "nlist", 0))

    @property
    def kind(self) -> str:
        """The kind of index, as FAISS's index factory spells it."""
        return kind_for(len(self._vectors), self._vectors.width)

    def add(self, vectors: Floats) -> None:
        """Add (n, width) unit rows."""
        for start in range(0, len(vectors), _ADD):
            self._index.add(np.ascontiguousarray(vectors[start : start + _ADD]))

    def search(
        self, query: Floats, top: int, allowed: Allowed | None = None
    ) -> tuple[Rows, Floats]:
        """Return up to ``top`` row numbers and their exact cosines with a unit ``query`` (width,).

        Best first. ``allowed`` (rows,) leaves out the rows where it is False.
        """
        candidates = self._candidates(query, top, allowed)
        cosines = self._vectors.rows(candidates) @ query
        best = best_first(cosines)[:top]
        return candidates[best], cosines[best]

    def _candidates(self, query: Floats, top: int, allowed: Allowed | None) -> Rows:
        rows = len(self._vectors)
        if allowed is None:
            return self._shortlist(query, top if self.exact else self._wide(top))
        passing = np.flatnonzero(allowed)
        if len(passing) <= max(EXACT_UP_TO, top):
            return passing  # few enough to compute all exact cosines
        # FAISS cannot filter these codes: ask for as many more as the filter will discard.
        nearest = self._shortlist(query, self._wide(top), 2 * rows / len(passing))
        return nearest[allowed[nearest]]

    def _wide(self, top: int) -> int:
        return max(self.effort.shortlist, 4 * top)

    def _shortlist(self, query: Floats, number: int, times: float = 1.0) -> Rows:
        """Return the rows of the ``number * times`` nearest codes, visiting as many more lists."""
        import faiss

        size = min(round(number * times), len(self._vectors))
        if not size:
            return np.zeros(0, dtype=np.int64)
        visited = min(round(self.effort.probes * times), self.lists)
        parameters: Any = faiss.SearchParametersIVF  # its type stubs lack the arguments
        options = parameters(nprobe=visited) if visited else None
        rows: Rows = self._index.search(query[None, :], size, params=options)[1][0]
        return np.sort(rows[rows >= 0])  # in the order of the file

    def save(self, file: Path) -> None:
        """Write the index. Raises OSError: `faiss.write_index` says nothing of a full disk."""
        import faiss

        file.write_bytes(faiss.serialize_index(self._index).data)

    @classmethod
    def open(cls, file: Path, vectors: Vectors, effort: Effort = Effort()) -> Self:
        """Return a saved index of these vectors. Raises ValueError where it is not one."""
        import faiss

        try:
            index = faiss.read_index(str(file))
        except RuntimeError as error:
            raise ValueError(f"{file.name} is not a FAISS index") from error
        if (index.ntotal, index.d) != (len(vectors), vectors.width):
            raise ValueError(f"{file.name} is an index of other vectors")
        return cls(index, vectors, effort)


def kind_for(rows: int, width: int) -> str:
    """Return the kind of index for so many vectors, as FAISS's index factory spells it."""
    subspaces = next((m for m in range(width // 4, 7, -1) if width % m == 0), 0)
    if rows <= EXACT_UP_TO or not subspaces:
        return "Flat"
    codes = f"PQ{subspaces}x4fs"
    if rows < INVERTED_FROM:
        return codes
    lists = 2 ** round(np.log2(4 * np.sqrt(rows)))
    return f"IVF{lists},{codes}"


def build_index(vectors: Vectors, queries: Queries) -> tuple[FaissIndex, float]:
    """Return an index of all vectors, and its recall@10 against exact search for ``queries()``.

    Those are (q, width) unit vectors of texts, as in real searches, because text vectors are
    distributed differently from image vectors; they are not computed where the index is exact.
    The effort of a query grows until the target recall is reached.
    """
    index = remake_index(vectors, Effort())
    if index.exact:
        return index, 1.0
    texts = queries()
    tenth = _tenth_best(vectors, texts)
    recall = _recall(index, vectors, texts, tenth)
    while recall < _RECALL and index.effort != (more := index.effort.more(index.lists)):
        index.effort = more
        recall = _recall(index, vectors, texts, tenth)
    return index, recall


def remake_index(vectors: Vectors, effort: Effort) -> FaissIndex:
    """Return an index of all vectors, deterministically."""
    index = FaissIndex.create(vectors)
    for chunk in vectors.chunks():
        index.add(chunk)
    index.effort = effort
    return index


def _recall(index: FaissIndex, vectors: Vectors, queries: Floats, tenth: Floats) -> float:
    """Return recall@10: the share of results whose cosine reaches the true ``tenth`` (q,)."""
    near = 0
    for query, threshold in zip(queries, tenth, strict=True):
        near += int((index.search(query, _TOP)[1] >= threshold - 1e-6).sum())
        vectors.release()
    return near / (_TOP * len(queries))


def _tenth_best(vectors: Vectors, queries: Floats) -> Floats:
    """Return (q,) cosines of the tenth nearest by exact search, reading vectors in chunks.

    Cosines, not rows: among equal images any is correct.
    """
    best = np.zeros((len(queries), 0), dtype=np.float32)
    for chunk in vectors.chunks():
        every = np.concatenate([best, queries @ chunk.T], axis=1)
        best = -np.partition(-every, min(_TOP, every.shape[1] - 1), axis=1)[:, :_TOP]
    tenth: Floats = best.min(axis=1)
    return tenth


def _sample(vectors: Vectors, number: int) -> Floats:
    """Return up to ``number`` random rows, the same ones each time."""
    rows = np.sort(np.random.default_rng(0).permutation(len(vectors))[:number])
    chunks, start = [], 0
    for chunk in vectors.chunks():
        low, high = np.searchsorted(rows, [start, start + len(chunk)])
        chunks.append(chunk[rows[low:high] - start])
        start += len(chunk)
    return np.concatenate(chunks)
