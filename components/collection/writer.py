"""Changes a collection: chunks are adopted as they are finished, and published as shards.

New images are written as chunks, each of which survives a kill. Readers see none of them before
`Writer.publish` merges them into shards and replaces the manifest. The writer's notes
(``build.json``) say which model and source the chunks belong to, and to which published state.
"""

import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from components.collection.chunks import Chunk, read_chunks, write_parquet
from components.collection.compact import Compactor, Mask
from components.collection.index import Queries, build_index
from components.collection.listing import Listing
from components.collection.manifest import (
    CHECK,
    FILMS,
    MAP,
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
from components.collection.milvus.publication import SHARED, files_of_publication
from components.collection.records import read_table
from components.collection.sources.source import Item, SourceSpec
from components.collection.store import locked, on_disk, save_index
from components.collection.vectors import open_vectors
from components.encoder import Encoder, Skipped

SHARD_ROWS = 8192  # of 512 floats: 16 MB of vectors and some 120 MB of thumbnails


_KNOWN = ("id", "signature", "digest")


@dataclass(frozen=True)
class Counts:
    """How many images a build adds, keeps, drops and skips."""

    added: int
    kept: int
    dropped: int
    skipped: int


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
    # Notes of another generation were left by a kill after its chunks were published.
    return state if state.generation == (published.generation if published else 0) else None


def _clean(folder: Path, keep: Collection[str]) -> None:
    """Delete what no state needs. `CHECK`, `FILMS` and `MAP` stay: they took time to make."""
    needed = {*keep, *files_of_publication(folder), SHARED, "lock", CHECK, FILMS, MAP}
    for file in folder.iterdir():
        if file.name not in needed:
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


def write_index(
    folder: Path, name: str, shards: Sequence[Shard], width: int, queries: Queries
) -> IndexInfo:
    """Write the index of the shards' vectors; return its entry. ``queries`` measure its recall."""
    named = [(folder / shard.vectors.name, shard.rows) for shard in shards]
    index, recall = build_index(open_vectors(named, width), queries)
    file = save_index(folder, name, index)
    return IndexInfo(file, index.kind, index.exact, index.effort, recall)


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
        self._number = max((shard.number for shard in shards), default=0)
        self._parts = list(sound)  # then those of chunks
        self._resumed = 0  # how many parts were there when the build began
        self.listing = Listing(folder)

    def read(self, items: Iterable[Item | Skipped]) -> None:
        """Take the list of the source, and the rows of shards and of an earlier build's chunks."""
        self.listing.read(items)
        for part, shard in enumerate(self._parts):
            self.listing.store(part, self._known(shard), before=True)
        with on_disk(self.state.name):
            for chunk in read_chunks(self.folder):
                self.adopt(chunk)
        self._resumed = len(self._parts)

    def _known(self, shard: Shard) -> pa.Table:
        return read_table(self.folder / shard.metadata.name, _KNOWN)

    def begin(self) -> None:
        """Note which build the chunks belong to that are written from now on."""
        with on_disk(self.state.name):
            write_manifest(self.folder, self.state, UNDER_WAY)

    def adopt(self, chunk: Chunk) -> None:
        """Take a chunk that is finished."""
        if chunk.shard:
            self.listing.store(len(self._parts), self._known(chunk.shard), before=False)
            self._parts.append(chunk.shard)
        for failed in chunk.failed:
            self.listing.fail(failed.id, failed.signature, failed.reason)

    def settle(self, keep_copies: bool) -> Counts:
        """Decide which images stay, without exact copies unless ``keep_copies``; count them."""
        if not keep_copies:
            self.listing.drop_copies()
        stay = [int(mask.sum()) for mask in self._masks()]
        added = sum(stay[self._resumed :])
        return Counts(added, sum(stay) - added, self.listing.dropped(), self.listing.counts()[2])

    def _masks(self) -> list[Mask]:
        return self.listing.masks([part.rows for part in self._parts])

    def publish(self, queries: Queries, complete: bool) -> Manifest:
        """Publish the rows that stay; return the manifest that readers now see.

        ``queries`` returns (q, width) vectors to measure the index with. Raises CollectionError
        where the disk is full or cannot be written, and Damaged where a chunk is.
        """
        with on_disk(self.state.name):
            return self._publish(queries, complete)

    def _publish(self, queries: Queries, complete: bool) -> Manifest:
        self.state = replace(self.state, shards=self._compact())
        generation = self.state.generation + 1
        skipped = self.listing.failures()
        state = replace(
            self.state,
            index=self._published_index() or self._index(generation, queries),
            skipped=self._write_skipped(generation, skipped),
            skipped_count=skipped.num_rows,
            complete=complete,
            generation=generation,
        )
        self.state = write_manifest(self.folder, state, PUBLISHED)
        self._tidy()
        return self.state

    def _compact(self) -> tuple[Shard, ...]:
        """Return shards of the rows that stay: the shards that were there, then the chunks'."""
        shards, masks = len(self.state.shards), self._masks()
        chunks = [part for part in self.listing.order() if part >= shards]
        parts = [(self._parts[part], masks[part]) for part in (*range(shards), *chunks)]
        return Compactor(self.folder, SHARD_ROWS, self._take_number).compact(parts)

    def _take_number(self) -> int:
        self._number += 1
        return self._number

    def _published_index(self) -> IndexInfo | None:
        """Return the published index where it is whole and of the same rows."""
        published = self._published
        if published and published.index and published.shards == self.state.shards:
            return published.index if published.index.file.is_whole(self.folder) else None
        return None

    def _index(self, generation: int, queries: Queries) -> IndexInfo:
        state = self.state
        return write_index(
            self.folder, f"{generation:06}.faiss", state.shards, state.width, queries
        )

    def _write_skipped(self, generation: int, skipped: pa.Table) -> File | None:
        if not skipped.num_rows:
            return None
        return write_parquet(self.folder / f"{generation:06}.skipped.parquet", skipped)

    def _tidy(self) -> None:
        """Remove files that the state does not list: replaced ones, chunks, leftovers of a kill."""
        self.listing.close()
        _clean(self.folder, {PUBLISHED, *(file.name for file in self.state.files)})

    def close(self) -> None:
        """End the writing; finished chunks stay on disk for the next build."""
        self.listing.close()
