"""Searches a collection: the nearest images, filtered, with near-duplicates folded together."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from components.collection.index import Allowed
from components.collection.records import Record
from components.collection.store import Collection
from components.collection.vectors import Rows
from components.scores import Floats

MAX_RESULTS = (
    1000  # further results are rarely paged to, and an approximate index is less reliable there
)
_SAMPLE = 20_000  # rows that the histogram of a large collection is drawn from


@dataclass(frozen=True)
class Hit:
    """A result. ``rank`` counts from 1; ``metadata`` is the rest of its row."""

    rank: int
    id: str
    image: str
    cosine: float
    metadata: Record

    def flat(self) -> dict[str, Any]:
        """Return all fields on one level, as in JSON and CSV."""
        own = asdict(self)
        return {**{name: own[name] for name in own if name != "metadata"}, **self.metadata}


@dataclass(frozen=True)
class SearchResult:
    """Results, best first: row numbers and cosines (n,); under each, the rows folded into it."""

    rows: Rows
    cosines: Floats
    folded: tuple[Rows, ...]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Limits:
    """Which results a search leaves out."""

    top: int = MAX_RESULTS
    allowed: Allowed | None = None  # (rows,) a row is left out where it is False
    min_cosine: float = -1.0
    fold: float | None = None  # a result this near to a better one is folded into it


def search(collection: Collection, vector: Floats, limits: Limits = Limits()) -> SearchResult:
    """Return the images nearest to a unit ``vector`` (width,), best first."""
    rows, cosines = collection.index.search(vector, limits.top, limits.allowed)
    near = cosines >= limits.min_cosine
    rows, cosines = rows[near], cosines[near]
    if limits.fold is None:
        return SearchResult(rows, cosines, tuple(rows[:0] for _ in rows))
    groups = near_duplicates(collection.vectors.rows(rows), limits.fold)
    leaders = np.array([group[0] for group in groups], dtype=np.intp)
    return SearchResult(rows[leaders], cosines[leaders], tuple(rows[group[1:]] for group in groups))


def near_duplicates(vectors: Floats, threshold: float) -> list[list[int]]:
    """Return groups of row numbers of unit ``vectors`` (n, width), in the order of their leaders.

    The first row without a group leads the next one, which takes in every later row whose cosine
    with it is ``threshold`` or more.
    """
    near = vectors @ vectors.T >= threshold  # (n, n)
    free = np.ones(len(vectors), dtype=np.bool_)
    groups = []
    for row in range(len(vectors)):
        if free[row]:
            members = row + 1 + np.flatnonzero(near[row, row + 1 :] & free[row + 1 :])
            free[members] = False
            groups.append([row, *map(int, members)])
    return groups


def hits(collection: Collection, rows: Rows, cosines: Sequence[float], first: int = 1) -> list[Hit]:
    """Return rows as results, ranked from ``first``."""
    results = []
    for rank, (record, cosine) in enumerate(
        zip(collection.records(rows), cosines, strict=True), start=first
    ):
        metadata = {name: value for name, value in record.items() if name not in ("id", "image")}
        results.append(Hit(rank, str(record["id"]), str(record["image"]), float(cosine), metadata))
    return results


def browse(collection: Collection, seed: int, allowed: Allowed | None = None) -> Rows:
    """Return up to MAX_RESULTS row numbers in a random order that ``seed`` fixes."""
    rows = _allowed_rows(collection, allowed)
    return np.random.default_rng(seed).permutation(rows)[:MAX_RESULTS]


def score_sample(collection: Collection, vector: Floats, allowed: Allowed | None = None) -> Floats:
    """Return the cosines of all allowed images with a vector, or of 20,000 random ones."""
    rows = _allowed_rows(collection, allowed)
    if len(rows) == len(collection) <= _SAMPLE:
        return collection.vectors.cosines(vector)
    if len(rows) > _SAMPLE:
        rows = np.sort(np.random.default_rng(0).choice(rows, _SAMPLE, replace=False))
    return collection.vectors.rows(rows) @ vector


def _allowed_rows(collection: Collection, allowed: Allowed | None) -> Rows:
    if allowed is None:
        return np.arange(len(collection), dtype=np.int64)
    return np.flatnonzero(allowed).astype(np.int64)
