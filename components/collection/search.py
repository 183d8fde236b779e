"""Searches a collection: the nearest images, filtered, with near-duplicates folded together."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from components.collection.collection import MAX_RESULTS, Collection, Found
from components.collection.filters import Filters
from components.collection.records import Record
from components.scores import Floats


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
    """Results, best first: ids and cosines (n,); under each, the ids folded into it."""

    ids: tuple[str, ...]
    cosines: Floats
    folded: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Limits:
    """Which results a search leaves out."""

    top: int = MAX_RESULTS
    filters: Filters = field(default_factory=dict)
    min_cosine: float = -1.0
    fold: float | None = None  # a result this near to a better one is folded into it


def search(collection: Collection, vector: Floats, limits: Limits = Limits()) -> SearchResult:
    """Return the images nearest to a unit ``vector`` (width,), best first. Raises FilterError."""
    found = collection.find(vector, limits.top, limits.filters, limits.min_cosine)
    return folded(collection, found, limits.fold)


def folded(collection: Collection, found: Found, threshold: float | None) -> SearchResult:
    """Return images as results; one as near as ``threshold`` to a better one is folded into it."""
    if threshold is None:
        return SearchResult(found.ids, found.cosines, ((),) * len(found))
    groups = near_duplicates(collection.vectors(found.ids), threshold)
    leaders = np.array([group[0] for group in groups], dtype=np.intp)
    return SearchResult(
        tuple(found.ids[row] for row in leaders),
        found.cosines[leaders],
        tuple(tuple(found.ids[row] for row in group[1:]) for group in groups),
    )


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


def hits(
    collection: Collection, ids: Sequence[str], cosines: Sequence[float], first: int = 1
) -> list[Hit]:
    """Return images as results, ranked from ``first``."""
    results = []
    for rank, (record, cosine) in enumerate(
        zip(collection.records(ids), cosines, strict=True), start=first
    ):
        metadata = {name: value for name, value in record.items() if name not in ("id", "image")}
        results.append(Hit(rank, str(record["id"]), str(record["image"]), float(cosine), metadata))
    return results
