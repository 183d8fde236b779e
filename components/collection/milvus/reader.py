"""A collection as readers see it on a Milvus server; its thumbnails are in files elsewhere."""

import json
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from components.collection.collection import AHEAD, MAX_RESULTS, Found
from components.collection.filters import ALL, Facet, Filters
from components.collection.manifest import CollectionError, File, Manifest, has_size
from components.collection.milvus.address import READ, Gone, NotThere, Server
from components.collection.milvus.expression import expression, ids_expression
from components.collection.milvus.publication import Column, Publication
from components.collection.milvus.publish import count_rows
from components.collection.records import Record
from components.newest import keep
from components.scores import Floats, best_first

_EF = 64  # candidates of a search in the graph, at least
_EF_FILTERED = 256  # where a filter leaves out some of them
_MOST = 16_384  # rows of an answer, at most
_KEPT = 5000  # records, and vectors, that are kept at hand
_ANSWERS = 256  # counts that are kept at hand, and samples
_SAMPLE = 4000  # images that the histogram is drawn from: each costs a row of an answer
# Where less than 0.07 of the rows pass, Milvus compares them all, and misses none. Above, it walks
# the graph, which then loses some up to 0.25: 0.12 of the ten nearest at 0.077, measured at 25,000.
_COMPARED, _WALKED = 0.055, 0.25
_COMPARED_ROWS = 200_000  # more would take too long
_CONSISTENCY = "Bounded"  # "Strong" costs 0.4 s, and a published state does not change


class Thumbnails(Protocol):
    """Where the files of thumbnails are."""

    def are_there(self, files: Sequence[File]) -> bool:
        """Return whether the files have not changed, as far as that can be told at once."""
        ...

    def ahead(self, file: File, start: int, size: int) -> None:
        """Begin to read what will be asked for."""
        ...

    def read(self, file: File, start: int, size: int) -> bytes:
        """Return ``size`` bytes of a file. Raises CollectionError."""
        ...


@dataclass(frozen=True)
class FolderThumbnails:
    """Thumbnails in the collection's folder on this computer."""

    folder: Path

    def are_there(self, files: Sequence[File]) -> bool:
        """Return whether all files have their sizes."""
        return all(has_size(self.folder / file.name, file.bytes) for file in files)

    def ahead(self, file: File, start: int, size: int) -> None:
        """Do nothing: a local file is fast."""

    def read(self, file: File, start: int, size: int) -> bytes:
        """Return ``size`` bytes of a file. Raises CollectionError."""
        try:
            with (self.folder / file.name).open("rb") as opened:
                opened.seek(start)
                return opened.read(size)
        except OSError:
            raise _not_there(self.folder.name) from None


@dataclass(frozen=True)
class _Stored:
    """An image's record, and where its thumbnail is."""

    record: Record
    shard: int
    start: int
    size: int


@dataclass(frozen=True)
class MilvusCollection:
    """A `Collection` that was published to a Milvus server."""

    thumbnails: Thumbnails
    publication: Publication
    server: Server

    @property
    def manifest(self) -> Manifest:
        """The manifest of the state that was published."""
        return self.publication.manifest

    @property
    def key(self) -> tuple[str, int, str]:
        """A cache key: equal for two openings of the same publication."""
        return self.manifest.name, self.manifest.generation, self.manifest.updated

    @property
    def columns(self) -> list[str]:
        """The columns of the metadata that are shown."""
        return [column.name for column in self.publication.columns]

    @cached_property
    def _columns(self) -> dict[str, Column]:
        return {column.name: column for column in self.publication.columns}

    def __len__(self) -> int:
        return self.manifest.rows

    def find(self, vector: Floats, top: int, filters: Filters = ALL, least: float = -1.0) -> Found:
        """Return the images nearest to a unit ``vector``: see `Collection`."""
        condition, until = self._condition(filters), time.monotonic() + READ
        passing = self._count(condition, until)
        compared = _COMPARED < passing / max(len(self), 1) < _WALKED
        if compared and passing <= _COMPARED_ROWS:
            ids, cosines = self._compare(vector, top, condition, until)
        else:
            ids, cosines = self._search(vector, top, condition, until)
            if len(ids) < min(top, passing):
                ids, cosines = self._compare(vector, top, condition, until)
        near = cosines >= least
        return Found(tuple(id_ for id_, keep in zip(ids, near, strict=True) if keep), cosines[near])

    def _condition(self, filters: Filters) -> str:
        return expression(self._columns, filters)

    def _search(
        self, vector: Floats, top: int, condition: str, until: float
    ) -> tuple[list[str], Floats]:
        """Return up to ``top`` ids, best first, and their cosines (n,)."""
        least = _EF_FILTERED if condition else _EF
        hits = self._call(
            "search",
            until=until,
            data=[vector.tolist()],
            anns_field="vector",
            limit=top,
            filter=condition,
            search_params={"metric_type": "IP", "params": {"ef": max(least, top)}},
        )[0]
        ids = [str(hit["id"]) for hit in hits]
        cosines = np.array([hit["distance"] for hit in hits], dtype=np.float32)
        best = best_first(cosines)
        return [ids[n] for n in best], cosines[best]

    def _compare(
        self, vector: Floats, top: int, condition: str, until: float
    ) -> tuple[list[str], Floats]:
        """Return what `_search` does, from comparing all rows that pass."""
        slices = _slices(top, 1.0, self._count(condition, until) / max(len(self), 1))
        parts = [self._search(vector, top, _both(condition, each), until) for each in slices]
        ids = [id_ for part, _ in parts for id_ in part]
        cosines = np.concatenate([part for _, part in parts])
        best = best_first(cosines)[:top]
        return [ids[n] for n in best], cosines[best]

    def records(self, ids: Sequence[str]) -> list[Record]:
        """Return the metadata of images; those of a page have their thumbnails read meanwhile."""
        stored = self._stored(ids)
        if len(ids) <= AHEAD:
            for each in stored:
                self.thumbnails.ahead(*self._range(each))
        return [{**each.record} for each in stored]

    def _stored(self, ids: Sequence[str]) -> list[_Stored]:
        known = {id_: row for id_ in ids if (row := self._recent.get(id_)) is not None}
        missing = [id_ for id_ in dict.fromkeys(ids) if id_ not in known]
        if missing:
            rows = self._rows(missing, ["record", "shard", "start", "size"])
            known |= {id_: _stored(row) for id_, row in rows.items()}
            if len(self._recent) > _KEPT:
                self._recent.clear()
            self._recent.update(known)
        return [known[id_] for id_ in ids]

    @cached_property
    def _recent(self) -> dict[str, _Stored]:
        """What was asked for lately: a page asks for records, then for their thumbnails."""
        return {}

    def _rows(
        self, ids: Sequence[str], fields: list[str], **options: Any
    ) -> dict[str, dict[str, Any]]:
        """Return some fields of images by their ids. Raises CollectionError for an unknown one."""
        found = {}
        for first in range(0, len(ids), MAX_RESULTS):
            some = ids_expression(ids[first : first + MAX_RESULTS])
            for row in self._query(some, ["id", *fields], time.monotonic() + READ, **options):
                found[str(row["id"])] = row
        for id_ in ids:
            if id_ not in found:
                raise CollectionError(f"{self.manifest.name} has no image {id_[:80]!r}.")
        return found

    def vectors(self, ids: Sequence[str]) -> Floats:
        """Return (len(ids), width): the images' unit vectors, in their order."""
        known = {id_: kept for id_ in ids if (kept := self._vectors.get(id_)) is not None}
        missing = [id_ for id_ in dict.fromkeys(ids) if id_ not in known]
        # As arrays: lists of numbers take five times as long.
        for id_, fields in self._rows(missing, ["vector"], strict_float32=True).items():
            known[id_] = np.array(fields["vector"], dtype=np.float32)
        if len(self._vectors) > _KEPT:
            self._vectors.clear()
        self._vectors.update(known)
        vectors = np.zeros((len(ids), self.manifest.width), dtype=np.float32)
        for vector, id_ in zip(vectors, ids, strict=True):
            vector[:] = known[id_]
        return vectors

    @cached_property
    def _vectors(self) -> dict[str, Floats]:
        """What was asked for lately: to fold near-duplicates, a page asks for all results again."""
        return {}

    def thumbnail(self, id_: str) -> bytes:
        """Return the JPEG bytes of an image's thumbnail."""
        return self.thumbnails.read(*self._range(self._stored([id_])[0]))

    def _range(self, stored: _Stored) -> tuple[File, int, int]:
        return self._files[stored.shard], stored.start, stored.size

    @cached_property
    def _files(self) -> dict[int, File]:
        return {shard.number: shard.thumbnails for shard in self.manifest.shards}

    def facets(self) -> list[Facet]:
        """Return the columns that can be filtered by a choice."""
        return [*self.publication.facets]

    def count(self, filters: Filters = ALL) -> int:
        """Return how many images pass."""
        return self._count(self._condition(filters), time.monotonic() + READ)

    def _count(self, condition: str, until: float) -> int:
        if not condition:
            return len(self)

        known = self._counts.get(condition)
        if known is not None:
            return known
        with self._named():
            found = count_rows(
                self.server, self.publication.place, condition, _CONSISTENCY, _left(until)
            )
        return keep(self._counts, condition, found, _ANSWERS)

    @cached_property
    def _counts(self) -> dict[str, int]:
        """Answers stay true, as a published state does not change."""
        return {}

    @cached_property
    def _samples(self) -> dict[tuple[str, bytes], Floats]:
        return {}

    def browse(self, seed: int, filters: Filters = ALL) -> list[str]:
        """Return up to MAX_RESULTS ids in a random order that ``seed`` fixes.

        Images are around a circle, by their hashes. Those after a random point of it are shuffled.
        """
        condition, until = self._condition(filters), time.monotonic() + READ
        rng = np.random.default_rng(seed)
        passing, begin = self._count(condition, until), float(rng.random())
        wanted = min(MAX_RESULTS, passing)
        share = 1.2 * wanted / max(passing, 1)
        rows: list[dict[str, Any]] = []
        while len(rows) < wanted:
            rows = self._query(_both(condition, _around(begin, share)), ["id", "draw"], until)
            share *= 2
        rows.sort(key=lambda row: ((row["draw"] - begin) % 1.0, row["id"]))
        return [str(rows[n]["id"]) for n in rng.permutation(wanted)]

    def score_sample(self, vector: Floats, filters: Filters = ALL) -> Floats:
        """Return the cosines of all images that pass, or of _SAMPLE random ones."""
        condition = self._condition(filters)
        asked = condition, vector.tobytes()
        known = self._samples.get(asked)
        if known is not None:
            return known
        return keep(self._samples, asked, self._score_sample(vector, condition), _ANSWERS)

    def _score_sample(self, vector: Floats, condition: str) -> Floats:
        until = time.monotonic() + READ
        passing = self._count(condition, until)
        share = min(1.0, 1.1 * _SAMPLE / max(passing, 1))
        parts = [np.zeros(0, dtype=np.float32)]
        for each in _slices(passing * share, share, passing / max(len(self), 1)):
            parts.append(self._search(vector, _MOST, _both(condition, each), until)[1])
        cosines = np.concatenate(parts)
        if len(cosines) > _SAMPLE:
            cosines = np.random.default_rng(0).choice(cosines, _SAMPLE, replace=False)
        return cosines

    def _query(
        self, condition: str, fields: list[str], until: float, **options: Any
    ) -> list[dict[str, Any]]:
        options |= {"filter": condition, "output_fields": fields, "limit": _MOST}
        rows: list[dict[str, Any]] = self._call("query", until=until, **options)
        return rows

    def _call(self, method: str, until: float, **options: Any) -> Any:
        with self._named():
            return self.server.call(
                method,
                self.publication.place,
                consistency_level=_CONSISTENCY,
                timeout=_left(until),
                **options,
            )

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Say which collection it is that the server does not have."""
        try:
            yield
        except NotThere:
            raise _not_there(self.manifest.name) from None


def _stored(row: dict[str, Any]) -> _Stored:
    return _Stored(json.loads(row["record"]), row["shard"], row["start"], row["size"])


def _left(until: float) -> float:
    """Return the seconds until then. Raises Gone where there are none."""
    left = until - time.monotonic()
    if left <= 0:
        raise Gone("The Milvus server takes more than 5 seconds. Try again in a moment.")
    return left


def _both(condition: str, other: str) -> str:
    return f"({condition}) and ({other})" if condition else other


def _slices(rows: float, share: float, passing: float) -> Iterator[str]:
    """Yield conditions that split the first ``share`` of all images.

    ``rows`` of them pass, as do ``passing`` of all rows: each slice is small enough for all its
    rows to be compared and returned.
    """
    number = max(1, math.ceil(share * passing / _COMPARED), math.ceil(rows / (_MOST / 2)))
    for n in range(number):
        yield f"draw >= {share * n / number!r} and draw < {share * (n + 1) / number!r}"


def _around(begin: float, share: float) -> str:
    """Return the condition of a share of the circle, from ``begin`` on."""
    end = begin + share
    if share >= 1:
        return "draw >= 0"
    if end > 1:
        return f"draw >= {begin!r} or draw < {end - 1!r}"
    return f"draw >= {begin!r} and draw < {end!r}"


def _not_there(name: str) -> NotThere:
    return NotThere(
        f"{name} is not on the Milvus server as it was published. Run `index publish {name}` where"
        " it was built."
    )


def open_published(
    publication: Publication, thumbnails: Thumbnails, server: Server
) -> MilvusCollection:
    """Return a published collection.

    Raises NotThere where the server, or the thumbnails, are not as they were published, and Gone
    where the server does not answer.
    """
    collection = MilvusCollection(thumbnails, publication, server)
    manifest = publication.manifest
    with collection._named():
        rows = count_rows(server, publication.place, "", _CONSISTENCY, READ)
    files = [shard.thumbnails for shard in manifest.shards]
    if rows != manifest.rows or not thumbnails.are_there(files):
        raise _not_there(manifest.name)
    return collection
