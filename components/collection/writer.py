"""Writes a collection in batches, so that a kill at any moment loses no finished batch.

New rows are appended to an open shard: vectors and thumbnails first, then one journal line an
image, which commits the row. A full shard is sealed: the journal becomes Parquet, and the writer's
notes (``build.json``) list the shard. Readers see none of it before `Writer.publish` replaces the
manifest.
"""

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from components.collection.compact import Compactor
from components.collection.index import Queries, build_index
from components.collection.manifest import (
    PUBLISHED,
    UNDER_WAY,
    CollectionError,
    File,
    IndexInfo,
    Manifest,
    folder_of,
    new_manifest,
    read_manifest,
    write_manifest,
)
from components.collection.open_shard import OpenShard, Row, write_parquet
from components.collection.records import Record, read_table, table_of
from components.collection.sources.source import SourceSpec
from components.collection.store import locked, save_index
from components.collection.vectors import open_vectors
from components.encoder import Encoder

SHARD_ROWS = 8192  # of 512 floats: 16 MB of vectors and some 120 MB of thumbnails


@dataclass(frozen=True, slots=True)
class StoredImage:
    """The row of an image that is stored, and what shows whether the image has changed."""

    row: int
    signature: str
    digest: str


@contextmanager
def writing(
    name: str, source: SourceSpec, encoder: Encoder, rebuild: bool = False
) -> Iterator["Writer"]:
    """Lock a collection for writing; an interrupted build by the same model is resumed.

    ``rebuild`` replaces the rows that are there once the new state is published. Raises OtherModel
    where another model made them, CollectionBusy, and CollectionError where files are damaged.
    """
    folder = folder_of(name)
    with locked(folder):
        try:
            writer = Writer(folder, *_start(folder, new_manifest(name, source, encoder), rebuild))
        except (OSError, ValueError) as error:
            raise CollectionError(f"{name} is damaged. Rebuild it.") from error
        try:
            yield writer
        finally:
            writer.close()
            if not any((folder / file).exists() for file in (PUBLISHED, UNDER_WAY)):
                shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path, empty: Manifest, rebuild: bool) -> tuple[Manifest, Manifest | None]:
    """Return the state to resume from, and the published one; remove leftover files."""
    published = _published(folder, rebuild)
    under_way = read_manifest(folder, UNDER_WAY)
    if published and not rebuild:
        published.check_maker(empty)
    old = set(published.shards) if published and rebuild else set()
    if under_way and under_way.same_maker(empty) and not old & set(under_way.shards):
        state = under_way
    else:
        state = published if published and not rebuild else empty
        _clean(folder, {file.name for file in published.files} if published else set())
    generation = published.generation if published else 0
    return replace(state, generation=generation, source=empty.source), published


def _published(folder: Path, rebuild: bool) -> Manifest | None:
    try:
        return read_manifest(folder)
    except CollectionError:
        if not rebuild:
            raise
        return None


def _clean(folder: Path, keep: Collection[str]) -> None:
    for file in folder.iterdir():
        if file.name not in {*keep, PUBLISHED, "lock"}:
            file.unlink(missing_ok=True)


class Writer:
    """Changes a collection. Created by `writing`, which holds the lock."""

    def __init__(self, folder: Path, state: Manifest, published: Manifest | None) -> None:
        self.folder = folder
        self.state = state
        self._published = published
        shards = (*state.shards, *(published.shards if published else ()))
        number = max((shard.number for shard in shards), default=0) + 1
        self._open = OpenShard(folder, number, state.width)
        self.stored: dict[str, StoredImage] = {}
        self._rows = 0
        for record in self._records():
            self._register(record)

    def _records(self) -> Iterator[Mapping[str, object]]:
        columns = ("id", "signature", "digest")
        for shard in self.state.shards:
            table = read_table(self.folder / shard.metadata.name, columns)
            yield from table.to_pylist()
        yield from self._open.records()

    def _register(self, record: Mapping[str, object]) -> None:
        image = StoredImage(self._rows, str(record["signature"]), str(record["digest"]))
        self.stored[str(record["id"])] = image
        self._rows += 1

    def add(self, rows: Sequence[Row]) -> None:
        """Store rows, safe from a kill once this returns; one replaces an earlier one of its id."""
        if not rows:
            return
        if not (self.folder / UNDER_WAY).exists():
            self._note(self.state)  # a journal without it belongs to no build
        self._open.append(rows)
        for row in rows:
            self._register(row.record)
        if self._open.rows >= SHARD_ROWS:
            self._seal()

    def _seal(self) -> None:
        if self._open.rows:
            self._note(replace(self.state, shards=(*self.state.shards, self._open.seal())))
            self._open.forget_journal()
            self._open = OpenShard(self.folder, self._open.number + 1, self.state.width)

    def _note(self, state: Manifest) -> None:
        self.state = write_manifest(self.folder, state, UNDER_WAY)

    def publish(
        self, keep: frozenset[str], skipped: Sequence[Record], queries: Queries, complete: bool
    ) -> Manifest:
        """Publish the rows whose ids are in ``keep``; return the manifest that readers now see.

        ``skipped`` are rows of the skipped table; ``queries`` returns (q, width) vectors to measure
        the index with.
        """
        self._seal()
        self._drop(keep)
        published, generation = self._published, self.state.generation + 1
        same = published and published.shards == self.state.shards
        index = published.index if published and same else self._index(generation, queries)
        state = replace(
            self.state,
            index=index,
            skipped=self._write_skipped(generation, skipped),
            skipped_count=len(skipped),
            complete=complete,
            generation=generation,
        )
        self.state = write_manifest(self.folder, state, PUBLISHED)
        self._tidy()
        return self.state

    def _drop(self, keep: frozenset[str]) -> None:
        """Leave out the rows of other ids, and those that a later row of their id replaced."""
        mask = np.zeros(self._rows, dtype=np.bool_)
        mask[[image.row for id_, image in self.stored.items() if id_ in keep]] = True
        compactor = Compactor(self.folder, SHARD_ROWS, self._take_number)
        shards = compactor.compact(self.state.shards, mask)
        if shards != self.state.shards:
            self._note(replace(self.state, shards=shards))

    def _take_number(self) -> int:
        """Return the number of the empty open shard; the open shard gets the next one."""
        number, self._open = self._open.number, self._open.moved()
        return number

    def _index(self, generation: int, queries: Queries) -> IndexInfo:
        named = [(self.folder / shard.vectors.name, shard.rows) for shard in self.state.shards]
        index, recall = build_index(open_vectors(named, self.state.width), queries)
        file = save_index(self.folder, f"{generation:06}.faiss", index)
        return IndexInfo(file, index.kind, index.exact, index.effort, recall)

    def _write_skipped(self, generation: int, skipped: Sequence[Record]) -> File | None:
        if not skipped:
            return None
        return write_parquet(self.folder / f"{generation:06}.skipped.parquet", table_of(skipped))

    def _tidy(self) -> None:
        """Remove files that the state does not list: replaced ones, and leftovers of a kill."""
        self._open.close()
        _clean(self.folder, {file.name for file in self.state.files})

    def close(self) -> None:
        """Close the open shard's files; added rows stay on disk for the next build."""
        self._open.close()
