"""The nearest vectors, fast: FAISS behind an interface that another database could stand behind.

Up to EXACT_UP_TO rows the search is exact. Beyond, vectors are kept as 4-bit product quantisation
codes (Jégou et al. 2011, "Product Quantization for Nearest Neighbor Search"; the fast scan of
André et al. 2015, "Cache locality is not enough"), and from INVERTED_FROM rows on in inverted
lists, of which a query visits a few. The codes only choose a shortlist: what is returned is ordered
by the true cosines of the vectors.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from components.collection.vectors import Rows, Vectors
from components.scores import Floats, best_first

Allowed = NDArray[np.bool_]
Queries = Callable[[], Floats]

EXACT_UP_TO = 10_000  # rows: one millisecond or so on a core
INVERTED_FROM = 250_000  # rows: where scanning all codes begins to take a millisecond
_TRAINING = 4096  # rows teach sixteen codewords a subspace: FAISS takes no more
_TOP = 10  # what recall is measured at
_ADD = 1024  # rows at a time
_TRAINING_A_LIST = 40  # rows for each inverted list: FAISS's own advice is 39 and more
_RECALL = 0.98  # the part of the true ten that a build aims at, against measuring queries


class VectorIndex(Protocol):
    """What a search needs of an index. Rows are numbered from 0 in the order they were added."""

    def add(self, vectors: Floats) -> None:
        """Take in (n, width) unit rows."""
        ...

    def search(
        self, query: Floats, top: int, allowed: Allowed | None = None
    ) -> tuple[Rows, Floats]:
        """Return up to ``top`` row numbers and their cosines with a unit ``query`` (width,).

        Best first. ``allowed`` (n,) leaves out the rows where it is False.
        """
        ...

    def save(self, file: Path) -> None:
        """Write the index."""
        ...

    @classmethod
    def open(cls, file: Path, vectors: Vectors) -> Self:
        """Return a saved index of these vectors. Raises ValueError where it is not one."""
        ...


@dataclass(frozen=True)
class Effort:
    """What a query may cost: candidates whose true cosines are taken, inverted lists visited."""

    shortlist: int = 64
    probes: int = 64

    def more(self, lists: int) -> "Effort":
        """Return twice as much of one; the same where that is all there is."""
        if self.shortlist < 1024:
            return replace(self, shortlist=2 * self.shortlist)
        return replace(self, probes=max(self.probes, min(2 * self.probes, lists)))


class FaissIndex:
    """A VectorIndex by FAISS over vectors that lie on this disk."""

    def __init__(self, index: Any, vectors: Vectors, effort: Effort = Effort()) -> None:
        self._index = index
        self._vectors = vectors
        self.effort = effort

    @classmethod
    def create(cls, vectors: Vectors) -> Self:
        """Return an empty index of the kind that the number of ``vectors`` asks for, trained."""
        import faiss

        index: Any = faiss.index_factory(
            vectors.width, kind_for(len(vectors), vectors.width), faiss.METRIC_INNER_PRODUCT
        )
        if not index.is_trained:
            if hasattr(index, "cp"):  # of the inverted lists' k-means
                index.cp.niter, index.cp.min_points_per_centroid = 10, 1
                index.by_residual = False  # the codes then serve every list
            lists = getattr(index, "nlist", 0)
            index.train(_sample(vectors, max(_TRAINING, _TRAINING_A_LIST * lists)))
        return cls(index, vectors)

    @property
    def exact(self) -> bool:
        """Return whether nothing that belongs among the best is ever missed."""
        return type(self._index).__name__.startswith("IndexFlat")

    @property
    def lists(self) -> int:
        """How many inverted lists there are; 0 where all codes are scanned."""
        return int(getattr(self._index, "nlist", 0))

    @property
    def kind(self) -> str:
        """Return what FAISS calls it."""
        return kind_for(len(self._vectors), self._vectors.width)

    def add(self, vectors: Floats) -> None:
        """See VectorIndex."""
        for start in range(0, len(vectors), _ADD):  # FAISS takes 6 KB a row meanwhile
            self._index.add(np.ascontiguousarray(vectors[start : start + _ADD]))

    def search(
        self, query: Floats, top: int, allowed: Allowed | None = None
    ) -> tuple[Rows, Floats]:
        """See VectorIndex."""
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
            return passing  # few enough for the true cosines of all
        # The codes know no filter: ask for as many more, in as many lists, as it will throw away.
        found = self._shortlist(query, self._wide(top), 2 * rows / len(passing))
        return found[allowed[found]]

    def _wide(self, top: int) -> int:
        return max(self.effort.shortlist, 4 * top)

    def _shortlist(self, query: Floats, number: int, times: float = 1.0) -> Rows:
        """Return the rows of the ``number`` nearest codes, or ``times`` as many, sought as hard."""
        import faiss

        wanted = min(round(number * times), len(self._vectors))
        if not wanted:
            return np.zeros(0, dtype=np.int64)
        visited = min(round(self.effort.probes * times), self.lists)
        parameters: Any = faiss.SearchParametersIVF  # its types know no arguments
        how = parameters(nprobe=visited) if visited else None
        found: Rows = self._index.search(query[None, :], wanted, params=how)[1][0]
        return np.sort(found[found >= 0])  # near rows lie near one another on the disk

    def save(self, file: Path) -> None:
        """See VectorIndex."""
        import faiss

        faiss.write_index(self._index, str(file))

    @classmethod
    def open(cls, file: Path, vectors: Vectors, effort: Effort = Effort()) -> Self:
        """See VectorIndex."""
        import faiss

        try:
            index = faiss.read_index(str(file))
        except RuntimeError as error:
            raise ValueError(f"{file.name} is not a FAISS index") from error
        if (index.ntotal, index.d) != (len(vectors), vectors.width):
            raise ValueError(f"{file.name} is an index of other vectors")
        return cls(index, vectors, effort)


def kind_for(rows: int, width: int) -> str:
    """Return the kind of index, in the words of FAISS's index factory, for so many vectors."""
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

    Those are (q, width) unit vectors as people will ask: of texts, not of images, which lie
    elsewhere; they are not asked for where the index is exact. The effort of a query grows until
    it reaches the recall aimed at.
    """
    index = remake_index(vectors, Effort())
    if index.exact:
        return index, 1.0
    asked = queries()
    least = _tenth_best(vectors, asked)
    recall = _recall(index, vectors, asked, least)
    while recall < _RECALL and index.effort != (more := index.effort.more(index.lists)):
        index.effort = more
        recall = _recall(index, vectors, asked, least)
    return index, recall


def remake_index(vectors: Vectors, effort: Effort) -> FaissIndex:
    """Return an index of all vectors: the same one each time."""
    index = FaissIndex.create(vectors)
    for chunk in vectors.chunks():
        index.add(chunk)
    index.effort = effort
    return index


def recall_of(index: VectorIndex, vectors: Vectors, queries: Floats) -> float:
    """Return which part of the true ten nearest an index finds, over ``queries`` (q, width)."""
    return _recall(index, vectors, queries, _tenth_best(vectors, queries))


def _recall(index: VectorIndex, vectors: Vectors, queries: Floats, least: Floats) -> float:
    """Return which part of the ten found is as near as the true ten's last, ``least`` (q,)."""
    near = 0
    for query, worst in zip(queries, least, strict=True):
        near += int((index.search(query, _TOP)[1] >= worst - 1e-6).sum())
        vectors.release()
    return near / (_TOP * len(queries))


def _tenth_best(vectors: Vectors, queries: Floats) -> Floats:
    """Return (q,) cosines of the tenth nearest by exact search, some vectors at a time.

    Not its row: of equal images any will do.
    """
    best = np.zeros((len(queries), 0), dtype=np.float32)
    for chunk in vectors.chunks():
        every = np.concatenate([best, queries @ chunk.T], axis=1)
        best = -np.partition(-every, min(_TOP, every.shape[1] - 1), axis=1)[:, :_TOP]
    tenth: Floats = best.min(axis=1)
    return tenth


def _sample(vectors: Vectors, number: int) -> Floats:
    """Return up to ``number`` rows, drawn the same way each time."""
    rows = np.sort(np.random.default_rng(0).permutation(len(vectors))[:number])
    found, start = [], 0
    for chunk in vectors.chunks():
        low, high = np.searchsorted(rows, [start, start + len(chunk)])
        found.append(chunk[rows[low:high] - start])
        start += len(chunk)
    return np.concatenate(found)
