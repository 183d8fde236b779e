"""Collections as readers see them: published states, whose files never change while open."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from components.collection import manifest as files
from components.collection.collection import MAX_RESULTS, SAMPLE, Found
from components.collection.filters import ALL, Facet, Filters, facets, mask
from components.collection.index import Allowed, FaissIndex, remake_index
from components.collection.manifest import (
    UNDER_WAY,
    CollectionError,
    Damaged,
    File,
    Manifest,
    collections_folder,
    damaged,
    folder_of,
    read_manifest,
    write_manifest,
)
from components.collection.records import INTERNAL, Record, joined, read_table
from components.collection.vectors import Rows, Vectors, open_vectors
from components.scores import Floats

Bytes = NDArray[np.uint8]
_LOCK = "lock"
SAMPLES = "samples"  # the app's own collection: indexed here whatever is shared, for every role
_RECENT = 20_000  # ids whose rows are kept at hand


class CollectionBusy(CollectionError):  # noqa: N818 - named for what the person waits for
    """A collection that another process or window is changing."""


@dataclass(frozen=True)
class FolderCollection:
    """A `Collection` in a folder, and its whole tables; readable after a later one is published.

    Its rows are numbered in the order of ``matrix``, ``table`` and ``index``.
    """

    folder: Path
    manifest: Manifest
    matrix: Vectors
    index: FaissIndex
    # Mapped or open, so they stay readable after a writer deletes them.
    _thumbnails: tuple[Bytes, ...]
    _metadata: tuple[pa.OSFile, ...]
    _skipped: pa.OSFile | None

    @property
    def key(self) -> tuple[str, int, str]:
        """A cache key: equal for two openings of the same state."""
        return self.manifest.name, self.manifest.generation, self.manifest.updated

    def __len__(self) -> int:
        return self.manifest.rows

    @cached_property
    def table(self) -> pa.Table:
        """The metadata: a row for each image, in the vectors' order. Raises Damaged."""
        return joined([*self._tables()])

    @cached_property
    def schema(self) -> pa.Schema:
        """The names and types of all columns of `table`. Raises Damaged."""
        return joined([table.schema.empty_table() for table in self._tables()]).schema

    def tables(self) -> Iterator[pa.Table]:
        """Yield `table` in parts, a shard each, so that one is in memory. Raises Damaged."""
        empty = self.schema.empty_table()
        return (joined([empty, table]) for table in self._tables())

    def _tables(self) -> Iterator[pa.Table]:
        shards = zip(self.manifest.shards, self._metadata, strict=True)
        return (self._parquet(shard.metadata, opened) for shard, opened in shards)

    def _parquet(self, file: File, opened: pa.OSFile) -> pa.Table:
        data = files.checked(self.folder, file, opened.read_at(file.bytes, 0))
        return read_table(pa.BufferReader(data))

    @property
    def columns(self) -> list[str]:
        """The columns of the metadata that are shown."""
        return [name for name in self.table.column_names if name not in INTERNAL]

    def find(self, vector: Floats, top: int, filters: Filters = ALL, least: float = -1.0) -> Found:
        """Return the images nearest to a unit ``vector``: see `Collection`."""
        rows, cosines = self.index.search(vector, top, self.allowed(filters))
        near = cosines >= least
        return Found(tuple(self.ids(rows[near])), cosines[near])

    def allowed(self, filters: Filters) -> Allowed | None:
        """Return (rows,) which rows pass; the last answer is kept, as a page asks several times."""
        key = tuple((column, tuple(values)) for column, values in filters.items())
        kept = self._masks.get(key)
        if kept is None:
            kept = (mask(self.table, filters),)
            self._masks.clear()
            self._masks[key] = kept
        return kept[0]

    @cached_property
    def _masks(self) -> dict[object, tuple[Allowed | None]]:
        return {}

    @cached_property
    def _recent(self) -> dict[str, int]:
        """The rows of ids that were found lately; `rows` looks all others up in the table."""
        return {}

    @cached_property
    def _ids(self) -> pa.Array:
        return self.table["id"].combine_chunks()

    def ids(self, rows: Rows) -> list[str]:
        """Return the ids of some rows, in their order."""
        ids = [str(id_) for id_ in self._ids.take(pa.array(rows)).to_pylist()]
        if len(self._recent) > _RECENT:
            self._recent.clear()
        self._recent.update(zip(ids, map(int, rows), strict=True))
        return ids

    def rows(self, ids: Sequence[str]) -> Rows:
        """Return the rows of some ids, in their order. Raises CollectionError for an unknown id."""
        known = {id_: row for id_ in ids if (row := self._recent.get(id_)) is not None}
        missing = [id_ for id_ in ids if id_ not in known]
        if missing:
            found = np.flatnonzero(pc.is_in(self._ids, pa.array(missing, self._ids.type)))
            known |= zip(self.ids(found), found.tolist(), strict=True)
        for id_ in missing:
            if id_ not in known:
                raise CollectionError(f"{self.manifest.name} has no image {id_[:80]!r}.")
        return np.array([known[id_] for id_ in ids], dtype=np.int64)

    def records(self, ids: Sequence[str]) -> list[Record]:
        """Return the metadata of images, in their order, without internal columns."""
        rows = pa.array(self.rows(ids))
        records: list[Record] = self.table.select(self.columns).take(rows).to_pylist()
        return records

    def vectors(self, ids: Sequence[str]) -> Floats:
        """Return (len(ids), width): the images' unit vectors, in their order."""
        return self.matrix.rows(self.rows(ids))

    def thumbnail(self, id_: str) -> bytes:
        """Return the JPEG bytes of an image's thumbnail."""
        return self.thumbnail_at(int(self.rows([id_])[0]))

    def thumbnail_at(self, row: int) -> bytes:
        """Return the JPEG bytes of a row's thumbnail."""
        shards, offsets, sizes = self._offsets
        start = offsets[row]
        jpeg: bytes = self._thumbnails[shards[row]][start : start + sizes[row]].tobytes()
        return jpeg

    @cached_property
    def _offsets(self) -> tuple[Rows, Rows, Rows]:
        """Return, for each row's thumbnail, its shard, its offset there and its length (bytes)."""
        sizes = self.table["thumbnail_bytes"].to_numpy()
        counts = [shard.rows for shard in self.manifest.shards]
        shards = np.repeat(np.arange(len(counts)), counts)
        before = np.concatenate([[0], np.cumsum(sizes)[:-1]]) if len(sizes) else sizes
        starts = np.cumsum([0, *counts[:-1]]) if counts else np.zeros(0, dtype=np.int64)
        return shards, before - before[starts[shards]] if len(sizes) else before, sizes

    def facets(self) -> list[Facet]:
        """Return the columns that can be filtered by a choice."""
        return self._facets

    @cached_property
    def _facets(self) -> list[Facet]:
        return facets([self.table])

    def count(self, filters: Filters = ALL) -> int:
        """Return how many images pass."""
        allowed = self.allowed(filters)
        return len(self) if allowed is None else int(allowed.sum())

    def browse(self, seed: int, filters: Filters = ALL) -> list[str]:
        """Return up to MAX_RESULTS ids in a random order that ``seed`` fixes."""
        rows = np.random.default_rng(seed).permutation(self._passing(filters))
        return self.ids(rows[:MAX_RESULTS])

    def score_sample(self, vector: Floats, filters: Filters = ALL) -> Floats:
        """Return the cosines of all images that pass, or of SAMPLE random ones."""
        rows = self._passing(filters)
        if len(rows) == len(self) <= SAMPLE:
            return self.matrix.cosines(vector)
        if len(rows) > SAMPLE:
            rows = np.sort(np.random.default_rng(0).choice(rows, SAMPLE, replace=False))
        return self.matrix.rows(rows) @ vector

    def _passing(self, filters: Filters) -> Rows:
        allowed = self.allowed(filters)
        if allowed is None:
            return np.arange(len(self), dtype=np.int64)
        return np.flatnonzero(allowed).astype(np.int64)

    def skipped(self) -> list[dict[str, Any]]:
        """Return the images that were skipped: id, and the reason in a sentence. Raises Damaged."""
        if self._skipped is None or self.manifest.skipped is None:
            return []
        rows: list[dict[str, Any]] = self._parquet(self.manifest.skipped, self._skipped).to_pylist()
        return rows


def open_folder(name: str) -> FolderCollection:
    """Return a collection as last published; a damaged index is made again from the vectors.

    One that is not here is looked for among the shared collections. Raises CollectionError where
    there is none of this name, and Damaged where other files are.
    """
    folder = folder_of(name)
    manifest = read_manifest(folder)
    if manifest is None:
        from components.collection.shared import open_shared

        if shared := open_shared(name):
            return shared
        raise CollectionError(missing_sentence(name, folder))
    try:
        return _opened(folder, manifest)
    except (OSError, ValueError, Damaged) as error:
        again = read_manifest(folder)
        if again and again.generation != manifest.generation:  # published in between
            return open_folder(name)
        if isinstance(error, Damaged):
            raise
        raise disk_error(name, error) from error


def missing_sentence(name: str, folder: Path) -> str:
    """Return the sentence for a collection that is not there."""
    if (folder / UNDER_WAY).exists():
        return f"{name} is not finished yet. Build it again to resume."
    return f"There is no collection {name}. Choose another, or build it."


def _opened(folder: Path, manifest: Manifest) -> FolderCollection:
    skipped_file = (manifest.skipped,) if manifest.skipped else ()
    for file in (*(file for shard in manifest.shards for file in shard.files), *skipped_file):
        if not files.has_size(folder / file.name, file.bytes):
            raise damaged(manifest.name, file.name)
    named = [(folder / shard.vectors.name, shard.rows) for shard in manifest.shards]
    vectors = open_vectors(named, manifest.width)
    index = _index(folder, manifest, vectors)
    thumbnails = [np.memmap(folder / s.thumbnails.name, mode="r") for s in manifest.shards]
    metadata = tuple(pa.OSFile(str(folder / s.metadata.name)) for s in manifest.shards)
    skipped = pa.OSFile(str(folder / manifest.skipped.name)) if manifest.skipped else None
    return FolderCollection(folder, manifest, vectors, index, tuple(thumbnails), metadata, skipped)


def _index(folder: Path, manifest: Manifest, vectors: Vectors) -> FaissIndex:
    info = manifest.index
    assert info is not None  # noqa: S101 - nothing is published without
    if info.file.is_whole(folder):
        with suppress(ValueError):  # written by another version of FAISS, say
            return FaissIndex.open(folder / info.file.name, vectors, info.effort)
    index = remake_index(vectors, info.effort)
    with suppress(CollectionError, OSError), locked(folder):
        file = save_index(folder, info.file.name, index)
        current = read_manifest(folder)
        if current and current.generation == manifest.generation:
            write_manifest(folder, replace(current, index=replace(info, file=file)))
    return index


def save_index(folder: Path, name: str, index: FaissIndex) -> File:
    """Write an index in one step; return its file's entry."""
    return files.write_file(folder / name, index.save)


def disk_error(name: str, error: Exception) -> CollectionError:
    """Return the error of a collection whose files cannot be read or written, as a sentence."""
    number = error.errno if isinstance(error, OSError) else None
    reason = os.strerror(number) if number else str(error)
    return CollectionError(
        f"The files of {name} cannot be read or written: {reason}. What was finished is kept."
    )


@contextmanager
def on_disk(name: str) -> Iterator[None]:
    """Turn the OSError of a full, read-only or broken disk into a CollectionError."""
    try:
        yield
    except OSError as error:
        raise disk_error(name, error) from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a collection's lock.

    Raises CollectionBusy where another process or window has it, and CollectionError where the
    folder cannot be written, or the collection is a shared one.
    """
    check_own(folder)
    lock = FileLock(folder / _LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise CollectionBusy(
            f"{folder.name} is being written by another process or window. Wait until it has"
            " finished; you can search the collection meanwhile."
        ) from None
    except OSError as error:
        raise disk_error(folder.name, error) from error
    try:
        yield
    finally:
        lock.release()


def check_own(folder: Path) -> None:
    """Raise CollectionError where a collection is only among the shared ones."""
    from components.collection.shared import check_not_shared

    here = any((folder / file).exists() for file in (files.PUBLISHED, UNDER_WAY))
    if not here and folder.name != SAMPLES:
        check_not_shared(folder.name)


def published(name: str) -> Manifest | None:
    """Return the manifest that readers see, here or among the shared collections.

    None where there is none. Raises CollectionError.
    """
    from components.collection.shared import shared_manifest

    return read_manifest(folder_of(name)) or shared_manifest(name)


def collections() -> list[Manifest | CollectionError]:
    """Return every collection's manifest, or what is wrong with it.

    In the order of their names; then the shared ones that none here has the name of.
    """
    from components.collection.shared import shared_states

    own = _own_collections()
    names = {state.name for state in own if isinstance(state, Manifest)}
    return [
        *own,
        *(s for s in shared_states() if isinstance(s, CollectionError) or s.name not in names),
    ]


def _own_collections() -> list[Manifest | CollectionError]:
    place = collections_folder()
    states: list[Manifest | CollectionError] = []
    with on_disk(place.name):
        folders = sorted(place.iterdir()) if place.is_dir() else []
    for folder in folders:
        try:
            manifest = read_manifest(folder)
        except CollectionError as error:
            states.append(error)
        else:
            if manifest:
                states.append(manifest)
            elif (folder / UNDER_WAY).exists():
                states.append(CollectionError(missing_sentence(folder.name, folder)))
    return states


def remove(name: str) -> int:
    """Remove a collection; return the bytes that it freed. Raises CollectionError."""
    folder = folder_of(name)
    check_own(folder)
    if not folder.is_dir():
        raise CollectionError(missing_sentence(name, folder))
    with on_disk(name), locked(folder):
        freed = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        # The manifest goes first: after a kill from here on, the collection no longer exists.
        (folder / files.PUBLISHED).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
    return freed


def verify(name: str) -> list[str]:
    """Return what is wrong with a collection's files, a sentence each; reads every byte."""
    folder = folder_of(name)
    manifest = read_manifest(folder)
    if manifest is None:
        from components.collection.shared import verify_shared

        if (wrong := verify_shared(name)) is not None:
            return wrong
        raise CollectionError(missing_sentence(name, folder))
    with on_disk(name):
        broken = [
            f"{file.name} is missing or damaged."
            for file in manifest.files
            if not file.is_whole(folder)
        ]
    return broken or _verify_contents(open_folder(name))


def _verify_contents(collection: FolderCollection) -> list[str]:
    errors = []
    if collection.table.num_rows != len(collection.matrix):
        errors.append("The metadata and the vectors have different numbers of rows.")
    for chunk in collection.matrix.chunks():
        if not np.allclose(np.linalg.norm(chunk, axis=1), 1.0, atol=1e-3):
            errors.append("Some vectors are not of length one.")
            break
    return errors
