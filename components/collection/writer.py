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
    CHECK,
    PUBLISHED,
    UNDER_WAY,
    Damaged,
    File,
    IndexInfo,
    Manifest,
    Shard,
    folder_of,
    new_manifest,
    read_manifest,
    write_manifest,
)
from components.collection.open_shard import OpenShard, Row, write_parquet
from components.collection.records import Record, read_table, table_of
from components.collection.sources.source import SourceSpec
from components.collection.store import locked, on_disk, save_index
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

    ``rebuild`` replaces the rows that are there once the new state is published; where nothing is
    published it starts from nothing. Raises OtherModel where another model made the rows,
    CollectionBusy, Damaged where the published manifest is, and CollectionError where the files
    cannot be read or written.
    """
    folder = folder_of(name)
    with locked(folder):
        try:
            with on_disk(name):
                start = _start(folder, new_manifest(name, source, encoder), rebuild)
                writer = Writer(folder, *start)
        except ValueError as error:
            raise Damaged(f"{name} is damaged. Rebuild it.") from error
        try:
            yield writer
        finally:
            writer.close()
            if not any((folder / file).exists() for file in (PUBLISHED, UNDER_WAY)):
                shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path, empty: Manifest, rebuild: bool) -> tuple[Manifest, Manifest | None]:
    """Return the state to resume from, and the published one; remove leftover files."""
    published = _published(folder, rebuild)
    if published and not rebuild:
        published.check_maker(empty)
    state = _under_way(folder, published, empty, rebuild)
    if state is None:
        state = published if published and not rebuild else empty
        keep = {PUBLISHED, *(file.name for file in published.files)} if published else set()
        _clean(folder, keep)
    generation = published.generation if published else 0
    return replace(state, generation=generation, source=empty.source), published


def _published(folder: Path, rebuild: bool) -> Manifest | None:
    try:
        return read_manifest(folder)
    except Damaged:
        if not rebuild:
            raise
        return None


def _under_way(
    folder: Path, published: Manifest | None, empty: Manifest, rebuild: bool
) -> Manifest | None:
    """Return the state of an interrupted build that can be resumed, None where there is none."""
    try:
        state = read_manifest(folder, UNDER_WAY)
    except Damaged:
        return None
    if state is None or not state.same_maker(empty):
        return None
    if rebuild and (published is None or set(published.shards) & set(state.shards)):
        return None
    return state


def _clean(folder: Path, keep: Collection[str]) -> None:
    """Delete what no state needs; the folder `CHECK` holds what people decided, and stays."""
    for file in folder.iterdir():
        if file.name not in {*keep, "lock", CHECK}:
            file.unlink(missing_ok=True)


def _sound(folder: Path, shards: Sequence[Shard]) -> tuple[tuple[Shard, ...], tuple[str, ...]]:
    """Return the shards whose files are whole, and the names of the other files; reads them all."""
    sound: list[Shard] = []
    damaged: list[str] = []
    for shard in shards:
        broken = [file.name for file in shard.files if not file.is_whole(folder)]
        damaged += broken
        if not broken:
            sound.append(shard)
    return tuple(sound), tuple(damaged)


class Writer:
    """Changes a collection. Created by `writing`, which holds the lock.

    A shard with a damaged file is left out: its images count as not stored. ``damaged`` are the
    names of such files.
    """

    def __init__(self, folder: Path, state: Manifest, published: Manifest | None) -> None:
        self.folder = folder
        sound, self.damaged = _sound(folder, state.shards)
        self.state = replace(state, shards=sound)
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
        """Store rows, safe from a kill once this returns; one replaces an earlier one of its id.

        Raises CollectionError where the disk is full or cannot be written.
        """
        if rows:
            with on_disk(self.state.name):
                self._add(rows)

    def _add(self, rows: Sequence[Row]) -> None:
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
        the index with. Raises CollectionError where the disk is full or cannot be written.
        """
        with on_disk(self.state.name):
            return self._publish(keep, skipped, queries, complete)

    def _publish(
        self, keep: frozenset[str], skipped: Sequence[Record], queries: Queries, complete: bool
    ) -> Manifest:
        self._seal()
        self._drop(keep)
        generation = self.state.generation + 1
        index = self._published_index() or self._index(generation, queries)
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

    def _published_index(self) -> IndexInfo | None:
        """Return the published index where it is whole and of the same rows."""
        published = self._published
        if published and published.index and published.shards == self.state.shards:
            return published.index if published.index.file.is_whole(self.folder) else None
        return None

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
        _clean(self.folder, {PUBLISHED, *(file.name for file in self.state.files)})

    def close(self) -> None:
        """Close the open shard's files; added rows stay on disk for the next build."""
        self._open.close()
