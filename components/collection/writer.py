"""Writing a collection: batch by batch, so that a kill at any moment loses no finished batch.

New rows go into an open shard: its vectors and thumbnails first, then a line for each image in
its journal, which is what makes the rows count. A full shard is sealed: the journal becomes
Parquet, and the writer's notes (``build.json``) list the shard. Readers see none of it before
`Writer.publish` replaces the manifest.
"""

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.collection.index import Queries, build_index
from components.collection.manifest import (
    PUBLISHED,
    UNDER_WAY,
    CollectionError,
    File,
    IndexFacts,
    Manifest,
    Shard,
    folder_of,
    new_manifest,
    read_manifest,
    write_manifest,
    write_whole,
)
from components.collection.open_shard import OpenShard, Row, write_parquet
from components.collection.records import Record, joined, read_table, table_of
from components.collection.sources.source import SourceSpec
from components.collection.store import locked, save_index
from components.collection.vectors import open_vectors
from components.encoder import Encoder
from components.scores import Floats

SHARD_ROWS = 8192  # of 512 floats: 16 MB of vectors and some 120 MB of thumbnails
_SMALL, _MOST_SMALL = 2048, 16  # rows of a small shard; how many may lie about
Mask = NDArray[np.bool_]
_Part = tuple[Shard, Mask]


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored of an image: its row among all, and what tells whether it has changed."""

    row: int
    signature: str
    digest: str


@contextmanager
def writing(
    name: str, source: SourceSpec, encoder: Encoder, afresh: bool = False
) -> Iterator["Writer"]:
    """Hold a collection for writing, from where an interrupted build of the same model left it.

    ``afresh`` forgets the rows that are there, once the new state is published. Raises OtherModel
    where another model made them, CollectionBusy, and CollectionError where files are damaged.
    """
    folder = folder_of(name)
    with locked(folder):
        try:
            writer = Writer(folder, *_start(folder, new_manifest(name, source, encoder), afresh))
        except (OSError, ValueError) as error:
            raise CollectionError(f"{name} is damaged: index it again from the start.") from error
        try:
            yield writer
        finally:
            writer.close()
            if not any((folder / file).exists() for file in (PUBLISHED, UNDER_WAY)):
                shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path, wanted: Manifest, afresh: bool) -> tuple[Manifest, Manifest | None]:
    """Return the state to go on from, and the published one; nobody's files are removed."""
    published = _published(folder, afresh)
    under_way = read_manifest(folder, UNDER_WAY)
    if published and not afresh:
        published.check_maker(wanted)
    old = set(published.shards) if published and afresh else set()
    if under_way and under_way.same_maker(wanted) and not old & set(under_way.shards):
        state = under_way
    else:
        state = published if published and not afresh else wanted
        _clean(folder, {file.name for file in published.files} if published else set())
    generation = published.generation if published else 0
    return replace(state, generation=generation, source=wanted.source), published


def _published(folder: Path, afresh: bool) -> Manifest | None:
    try:
        return read_manifest(folder)
    except CollectionError:
        if not afresh:
            raise
        return None


def _clean(folder: Path, keep: Collection[str]) -> None:
    for file in folder.iterdir():
        if file.name not in {*keep, PUBLISHED, "lock"}:
            file.unlink(missing_ok=True)


class Writer:
    """The one who may change a collection. Make it with `writing`."""

    def __init__(self, folder: Path, state: Manifest, published: Manifest | None) -> None:
        self.folder = folder
        self.state = state
        self._published = published
        shards = (*state.shards, *(published.shards if published else ()))
        number = max((shard.number for shard in shards), default=0) + 1
        self._open = OpenShard(folder, number, state.width)
        self.known: dict[str, Known] = {}
        self._rows = 0
        for record in self._records():
            self._learn(record)

    def _records(self) -> Iterator[Mapping[str, object]]:
        columns = ("id", "signature", "digest")
        for shard in self.state.shards:
            table = read_table(self.folder / shard.metadata.name, columns)
            yield from table.to_pylist()
        yield from self._open.records()

    def _learn(self, record: Mapping[str, object]) -> None:
        known = Known(self._rows, str(record["signature"]), str(record["digest"]))
        self.known[str(record["id"])] = known
        self._rows += 1

    def add(self, rows: Sequence[Row]) -> None:
        """Store rows: when this returns they survive a kill. A later row replaces one of its id."""
        if not rows:
            return
        if not (self.folder / UNDER_WAY).exists():
            self._note(self.state)  # without it the journal would be nobody's
        self._open.append(rows)
        for row in rows:
            self._learn(row.record)
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
        """Show readers the rows whose ids are in ``keep``; return their manifest.

        ``skipped`` are rows of the skipped table; ``queries`` gives (q, width) vectors to measure
        an index with.
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
        """Rewrite the shards that hold rows of other ids, or rows that a later one replaced.

        Where many updates have left many small shards, they are put together as well.
        """
        alive = np.zeros(self._rows, dtype=np.bool_)
        alive[[known.row for id_, known in self.known.items() if id_ in keep]] = True
        crowded = sum(shard.rows < _SMALL for shard in self.state.shards) > _MOST_SMALL
        shards: list[Shard] = []
        loose: list[_Part] = []
        start = 0
        for shard in self.state.shards:
            mask = alive[start : start + shard.rows]
            start += shard.rows
            if mask.all() and not (crowded and shard.rows < _SMALL):
                shards += [*self._rewritten(loose), shard]
                loose = []
            else:
                loose.append((shard, mask))
        shards += self._rewritten(loose)
        if shards != list(self.state.shards):
            self._note(replace(self.state, shards=tuple(shards)))

    def _rewritten(self, parts: Sequence[_Part]) -> Iterator[Shard]:
        """Yield new shards with the living rows of old ones, in their order, none too large."""
        group: list[_Part] = []
        for part in parts:
            if sum(shard.rows for shard, _ in (*group, part)) > SHARD_ROWS:
                yield from self._put_together(group)
                group = []
            group.append(part)
        yield from self._put_together(group)

    def _put_together(self, group: Sequence[_Part]) -> Iterator[Shard]:
        living = [(shard, mask) for shard, mask in group if mask.any()]
        if not living:
            return
        number, self._open = self._open.number, self._open.moved()
        vectors, thumbnails, tables = zip(*(self._living(*part) for part in living), strict=True)
        matrix, stem = np.concatenate(vectors), self.folder / f"{number:06}"
        yield Shard(
            number,
            len(matrix),
            write_whole(stem.with_suffix(".vectors"), matrix.tofile),
            write_whole(
                stem.with_suffix(".thumbnails"),
                lambda draft: draft.write_bytes(b"".join(thumbnails)),
            ),
            write_parquet(stem.with_suffix(".parquet"), joined(tables)),
        )

    def _living(self, shard: Shard, mask: Mask) -> tuple[Floats, bytes, pa.Table]:
        """Return the vectors, thumbnails and metadata of a shard's rows where ``mask`` is True."""
        table = read_table(self.folder / shard.metadata.name)
        vectors = np.fromfile(self.folder / shard.vectors.name, dtype="<f4")
        thumbnails = (self.folder / shard.thumbnails.name).read_bytes()
        ends = np.cumsum(table["thumbnail_bytes"].to_numpy())
        starts = np.concatenate([[0], ends[:-1]])
        kept = [thumbnails[starts[row] : ends[row]] for row in np.flatnonzero(mask)]
        return (
            vectors.reshape(shard.rows, -1)[mask],
            b"".join(kept),
            table.filter(pa.array(mask)),
        )

    def _index(self, generation: int, queries: Queries) -> IndexFacts:
        named = [(self.folder / shard.vectors.name, shard.rows) for shard in self.state.shards]
        index, recall = build_index(open_vectors(named, self.state.width), queries)
        file = save_index(self.folder, f"{generation:06}.faiss", index)
        return IndexFacts(file, index.kind, index.exact, index.effort, recall)

    def _write_skipped(self, generation: int, skipped: Sequence[Record]) -> File | None:
        if not skipped:
            return None
        return write_parquet(self.folder / f"{generation:06}.skipped.parquet", table_of(skipped))

    def _tidy(self) -> None:
        """Remove what belongs to no state: what was replaced, and what a kill left behind."""
        self._open.close()
        _clean(self.folder, {file.name for file in self.state.files})

    def close(self) -> None:
        """Let go of the open shard's files; what was added stays for the next build."""
        self._open.close()
