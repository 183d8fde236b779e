"""Searches a collection: the nearest images, filtered, with near-duplicates folded together.

Neighbouring frames of a film are folded into one moment.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from components.collection.collection import MAX_RESULTS, Collection, Found
from components.collection.filters import Filters
from components.collection.records import Record
from components.films.moment import is_of, moments
from components.scores import Floats

WITHIN = 10.0  # seconds: frames of a film this near to each other are one moment
_NEARLY = 0.8  # of the best cosine: frames of less are near a moment in time alone
_HOUR = 3600  # seconds
_MOST_FRAMES = 16_000  # of an hour of film; Milvus gives 16,384 results at most


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
    """Results, best first: ids and cosines (n,); under each, the ids folded into it.

    ``frames``: under each, the other frames of its moment that match nearly as well.
    """

    ids: tuple[str, ...]
    cosines: Floats
    folded: tuple[tuple[str, ...], ...]
    frames: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.ids)

    def first(self, number: int) -> "SearchResult":
        """Return the best ``number`` of the results."""
        return SearchResult(
            self.ids[:number], self.cosines[:number], self.folded[:number], self.frames[:number]
        )


@dataclass(frozen=True)
class Limits:
    """Which results a search leaves out."""

    top: int = MAX_RESULTS
    filters: Filters = field(default_factory=dict)
    min_cosine: float = -1.0
    fold: float | None = None  # a result this near to a better one is folded into it
    within: float = 0.0  # seconds: frames of a film this near to each other are one moment; 0: none


def search(collection: Collection, vector: Floats, limits: Limits = Limits()) -> SearchResult:
    """Return the images nearest to a unit ``vector`` (width,), best first. Raises FilterError."""
    top = MAX_RESULTS if limits.within else limits.top  # a moment may have any number of frames
    found = collection.find(vector, top, limits.filters, limits.min_cosine)
    return folded(collection, found, limits.fold, limits.within).first(limits.top)


def folded(
    collection: Collection, found: Found, threshold: float | None, within: float = 0.0
) -> SearchResult:
    """Return images as results; one as near as ``threshold`` to a better one is folded into it.

    Before that, frames of a film that are ``within`` so many seconds of each other are one moment.
    """
    grouped = moments(found.ids, found.cosines, within) if within else _alone(len(found))
    leaders = [moment[0] for moment in grouped]
    groups = _alone(len(leaders))
    if threshold is not None:
        groups = near_duplicates(collection.vectors([found.ids[n] for n in leaders]), threshold)
    best = [leaders[group[0]] for group in groups]

    def ids(rows: Iterable[int]) -> tuple[str, ...]:
        return tuple(found.ids[row] for row in rows)

    return SearchResult(
        ids(best),
        found.cosines[np.array(best, dtype=np.intp)],
        tuple(ids(row for place in group[1:] for row in grouped[place]) for group in groups),
        tuple(ids(_lasting(grouped[group[0]], found.cosines)) for group in groups),
    )


def _lasting(moment: Sequence[int], cosines: Floats) -> list[int]:
    """Return the places of a moment's frames, without the first, that match nearly as well."""
    least = _NEARLY * cosines[moment[0]]
    return [place for place in moment[1:] if cosines[place] >= least]


def _alone(number: int) -> list[list[int]]:
    """Return every place as a group of its own."""
    return [[place] for place in range(number)]


def frames_of(collection: Collection, vector: Floats, film: str, length: object) -> Found:
    """Return every frame of a film, best first, and its cosine with a unit ``vector`` (width,).

    ``length``: of the film in seconds, if it is known. It is asked for by the hour, because servers
    limit how many results they give at once.
    """
    hours = range(int(length // _HOUR) + 1) if isinstance(length, int | float) else range(0)
    spans = [f"{hour * _HOUR}..{(hour + 1) * _HOUR}" for hour in hours]
    filters = [{"film": [film], "seconds": [span]} for span in spans] or [{"film": [film]}]
    cosines: dict[str, float] = {}
    for each in filters:
        found = collection.find(vector, _MOST_FRAMES, each)
        cosines |= zip(found.ids, map(float, found.cosines), strict=True)
    # The filter takes no notice of case: another film's name may differ by that alone.
    ids = [id_ for id_ in sorted(cosines, key=lambda id_: -cosines[id_]) if is_of(id_, film)]
    return Found(tuple(ids), np.array([cosines[id_] for id_ in ids], dtype=np.float32))


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
