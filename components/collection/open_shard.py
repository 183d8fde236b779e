"""The shard that rows are appended to, and the journal that commits them."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from components.collection.manifest import File, Shard, file_entry, write_file
from components.collection.records import Record, joined, table_of, write_table
from components.encoder import batched
from components.scores import Floats


@dataclass(frozen=True)
class Row:
    """An image to store: its metadata, unit vector (width,) and JPEG thumbnail."""

    record: Record
    vector: Floats
    thumbnail: bytes


def write_parquet(path: Path, table: pa.Table) -> File:
    """Write a table as a collection's Parquet file; return its entry."""
    entry = write_file(path, lambda draft: write_table(table, draft))
    pa.default_memory_pool().release_unused()  # the pool keeps what a write took: builds are long
    return entry


class OpenShard:
    """A shard that grows. A row counts once its line of JSON is in the journal."""

    def __init__(self, folder: Path, number: int, width: int) -> None:
        self.folder, self.number, self.width = folder, number, width
        self._vectors, self._thumbnails, self._journal = (
            (folder / f"{number:06}.{kind}").open("ab")
            for kind in ("vectors", "thumbnails", "jsonl")
        )
        self.rows = self._recover()

    @property
    def _files(self) -> tuple[Path, Path, Path]:
        stem = f"{self.number:06}"
        return (
            self.folder / f"{stem}.vectors",
            self.folder / f"{stem}.thumbnails",
            self.folder / f"{stem}.jsonl",
        )

    def _recover(self) -> int:
        """Truncate what a kill left half written; return how many rows count."""
        rows = thumbnails = length = 0
        with self._files[2].open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                length += len(line)
                thumbnails += json.loads(line)["thumbnail_bytes"]
                rows += 1
        self._vectors.truncate(rows * self.width * 4)
        self._thumbnails.truncate(thumbnails)
        self._journal.truncate(length)
        return rows

    def records(self) -> Iterator[Record]:
        """Yield the metadata of the rows."""
        with self._files[2].open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)

    def append(self, rows: Sequence[Row]) -> None:
        """Write rows; the journal last, once vectors and thumbnails are on the disk."""
        self._vectors.write(np.stack([row.vector for row in rows]).astype("<f4").tobytes())
        self._thumbnails.write(b"".join(row.thumbnail for row in rows))
        lines = [json.dumps(row.record, ensure_ascii=False) for row in rows]
        for sink in (self._vectors, self._thumbnails):
            sink.flush()
            os.fsync(sink.fileno())
        self._journal.write("".join(f"{line}\n" for line in lines).encode())
        self._journal.flush()
        os.fsync(self._journal.fileno())
        self.rows += len(rows)

    def seal(self) -> Shard:
        """Return the finished shard, its metadata as Parquet."""
        self.close()
        vectors, thumbnails, _ = self._files
        tables = [table_of(group) for group in batched(self.records(), 1024)]
        metadata = write_parquet(self.folder / f"{self.number:06}.parquet", joined(tables))
        return Shard(self.number, self.rows, file_entry(vectors), file_entry(thumbnails), metadata)

    def forget_journal(self) -> None:
        """Remove the journal of a shard that is sealed and in the writer's notes."""
        self._files[2].unlink()

    def moved(self) -> "OpenShard":
        """Return an empty shard with the next number, in place of this empty one."""
        self.close()
        for file in self._files:
            file.unlink()
        return OpenShard(self.folder, self.number + 1, self.width)

    def close(self) -> None:
        """Close the files."""
        for sink in (self._vectors, self._thumbnails, self._journal):
            sink.close()
