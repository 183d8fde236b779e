"""Publishes a collection to a Milvus server: its shards' rows, without encoding anything."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from components.collection.filters import facets
from components.collection.manifest import CollectionError, folder_of, read_manifest
from components.collection.milvus.address import Server
from components.collection.milvus.publication import (
    DamagedNote,
    Publication,
    alias_of,
    kept_states,
    read_publication,
    write_publication,
)
from components.collection.milvus.rows import batches, columns_of, schema_of
from components.collection.store import (
    FolderCollection,
    check_own,
    locked,
    missing_sentence,
    open_folder,
)
from components.words import count

_CALL, _SEND, _FLUSH, _LOAD = 30.0, 60.0, 300.0, 900.0  # seconds that a step may take
_INDEX = 300.0  # and that of the index, with what each row adds: 0.0008 measured on two free cores
_INDEX_ROW = 0.01
_POLL = 0.5  # seconds between two looks at the index
# M and efConstruction of Malkov and Yashunin 2018, "Efficient and robust approximate nearest
# neighbor search using Hierarchical Navigable Small World graphs".
_HNSW = {"index_type": "HNSW", "params": {"M": 16, "efConstruction": 200}}
_FLAT = {"index_type": "FLAT"}  # Lite's graph misses images under filters


@dataclass(frozen=True)
class PublishProgress:
    """What a publication is doing, and how far it is."""

    stage: str
    done: int
    total: int

    def __str__(self) -> str:
        return f"{self.stage}: {self.done:,} of {count(self.total, 'image')}"


@dataclass(frozen=True)
class Published:
    """What was published: ``cut`` images have too much metadata, and lost their longest texts.

    Readers of a shared place search an earlier state where it ``is_behind``.
    """

    publication: Publication
    cut: int
    is_behind: bool

    def __str__(self) -> str:
        manifest = self.publication.manifest
        cut = (
            f" The longest values in the metadata of {count(self.cut, 'image')} were left out:"
            " Milvus takes 65,535 bytes for each image."
            if self.cut
            else ""
        )
        behind = (
            " Readers of the shared place search the earlier state until it is published there too."
            if self.is_behind
            else ""
        )
        return f"Published {manifest.name}: {count(manifest.rows, 'image')}.{cut}{behind}"


def publish(
    name: str,
    server: Server,
    on_progress: Callable[[PublishProgress], None],
    stop: threading.Event,
) -> Published | None:
    """Publish a collection's state to a server; return it, None where ``stop`` ended it.

    Readers see the earlier publication until this one is whole, and then this one, whenever this
    is killed: what it leaves is removed by the next one. Raises CollectionError.
    """
    folder = folder_of(name)
    check_own(folder)
    if read_manifest(folder) is None:  # locking would make a folder for it
        raise CollectionError(missing_sentence(name, folder))
    with locked(folder):
        return _Publishing(open_folder(name), server, on_progress, stop).run()


def withdraw(name: str, server: Server) -> None:
    """Remove all states of a collection from a server. Raises CollectionError."""
    for place in _places(server, alias_of(name)):
        _drop(server, place)


def sweep(name: str, server: Server, after: float = 0.0) -> None:
    """Remove the states that no reader needs, ``after`` so many seconds.

    The caller holds the collection's lock. Raises CollectionError.
    """
    folder = folder_of(name)
    publication = read_publication(folder)
    if publication is None:
        return
    kept = {publication.place, *_shared(folder)}
    old = [place for place in _places(server, alias_of(name)) if place not in kept]
    if old:
        time.sleep(after)
    for place in old:
        _drop(server, place)


def _shared(folder: Path) -> Iterator[str]:
    """Return the Milvus collections that readers of shared places search."""
    return chain.from_iterable(kept_states(folder).values())


def _places(server: Server, alias: str) -> list[str]:
    """Return the Milvus collections that hold a collection's states, complete or not."""
    every = server.call("list_collections", timeout=_CALL)
    return [place for place in every if _number(place, alias)]


def _drop(server: Server, place: str) -> None:
    for alias in server.call("list_aliases", place, timeout=_CALL)["aliases"]:
        server.call("drop_alias", alias, timeout=_CALL)
    server.call("drop_collection", place, timeout=_CALL)


class _Publishing:
    def __init__(
        self,
        collection: FolderCollection,
        server: Server,
        on_progress: Callable[[PublishProgress], None],
        stop: threading.Event,
    ) -> None:
        self._collection, self._server = collection, server
        self._on_progress, self._stop = on_progress, stop
        self._alias = alias_of(collection.manifest.name)
        self._columns = columns_of(collection.schema)
        self._cut = 0

    def run(self) -> Published | None:
        before = self._before()
        places = _places(self._server, self._alias)
        kept = {*_shared(self._collection.folder), *([before.place] if before else [])}
        self._drop([place for place in places if place not in kept])
        place = f"{self._alias}_g{max(map(_number, [*places, *kept]), default=0) + 1}"
        publication = self._publication(place)
        try:
            whole = self._fill(place)
        except CollectionError:
            with suppress(CollectionError):
                self._drop([place])
            raise
        if not whole:
            self._drop([place])
            return None
        self._point(place)
        write_publication(self._collection.folder, publication)
        with suppress(CollectionError):  # the next publication removes them
            sweep(self._collection.manifest.name, self._server)
        return Published(publication, self._cut, bool(kept_states(self._collection.folder)))

    def _before(self) -> Publication | None:
        try:
            return read_publication(self._collection.folder)
        except DamagedNote:
            return None

    def _publication(self, place: str) -> Publication:
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        manifest = replace(self._collection.manifest, updated=now)
        return Publication(place, self._columns, tuple(facets(self._collection.tables())), manifest)

    def _call(self, method: str, *arguments: Any, timeout: float = _CALL, **options: Any) -> Any:
        return self._server.call(method, *arguments, timeout=timeout, **options)

    def _drop(self, places: list[str]) -> None:
        for place in places:
            _drop(self._server, place)

    def _point(self, place: str) -> None:
        """Let the alias name the new state: for other programs, as our readers know the place."""
        try:
            self._call("alter_alias", place, self._alias)
        except CollectionError:  # there is none yet
            self._call("create_alias", place, self._alias)

    def _fill(self, place: str) -> bool:
        """Send all rows and have them indexed; return False where it was stopped."""
        width = self._collection.manifest.width
        schema = schema_of(self._columns, width, self._collection.manifest.name)
        self._call("create_collection", place, schema=schema)
        return self._send(place) and self._index(place) and self._load(place)

    def _send(self, place: str) -> bool:
        sent = 0
        for batch in batches(self._collection, self._columns):
            self._show("Sending", sent)
            if self._stop.is_set():
                return False
            self._call("upsert", place, batch.rows, timeout=_SEND)
            sent += len(batch.rows)
            self._cut += batch.cut
        self._call("flush", place, timeout=_FLUSH)
        return True

    def _index(self, place: str) -> bool:
        from pymilvus import MilvusClient

        parameters = MilvusClient.prepare_index_params()
        kind: dict[str, Any] = _FLAT if self._server.address.lite else _HNSW
        parameters.add_index("vector", metric_type="IP", **kind)
        self._call("create_index", place, parameters, sync=False)
        rows = len(self._collection)
        until = time.monotonic() + _INDEX + _INDEX_ROW * rows
        while time.monotonic() < until:
            if self._stop.is_set():
                return False
            now = self._call("describe_index", place, "vector")
            if now["state"] == "Failed":
                break
            if now["state"] == "Finished" and now["indexed_rows"] >= now["total_rows"]:
                return True
            self._show("Indexing", min(now["indexed_rows"], rows))
            time.sleep(_POLL)
        raise CollectionError(
            f"The Milvus server could not index {self._collection.manifest.name}. Look for the"
            " reason in its log, then run `index publish` again."
        )

    def _load(self, place: str) -> bool:
        rows = len(self._collection)
        self._show("Loading", rows)
        self._call("load_collection", place, timeout=_LOAD)
        found = count_rows(self._server, place, "", "Strong", _SEND)
        if found != rows:
            raise CollectionError(
                f"The Milvus server has {found:,} of {count(rows, 'image')} of"
                f" {self._collection.manifest.name}. Run `index publish` again."
            )
        return True

    def _show(self, stage: str, done: int) -> None:
        self._on_progress(PublishProgress(stage, done, len(self._collection)))


def _number(place: str, alias: str = ".*") -> int:
    """Return the number of a state in its place's name, 0 where it is not one."""
    found = re.fullmatch(rf"{alias}_g(\d+)", place)
    return int(found[1]) if found else 0


def count_rows(server: Server, place: str, condition: str, consistency: str, timeout: float) -> int:
    """Return how many rows of a Milvus collection fulfil a condition."""
    answer = server.call(
        "query",
        place,
        filter=condition,
        output_fields=["count(*)"],
        consistency_level=consistency,
        timeout=timeout,
    )
    return int(answer[0]["count(*)"])
