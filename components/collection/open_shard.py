"""The shard that rows are appended to, and the journal that commits them.

A line of the journal is the CRC-32 of its JSON, that of the row's vector and thumbnail, and the
JSON of its metadata.
"""

import json
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from components.collection.manifest import File, Shard, damaged, file_entry, write_file
from components.collection.records import Record, joined, table_of, write_table
from components.encoder import batched
from components.scores import Floats

_CHECKS = len("00000000 00000000 ")  # of a line of the journal


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
        """Truncate what a kill left half written, and what is damaged; return how many rows count.

        The images of a damaged row and of those after it are encoded again.
        """
        rows = thumbnails = length = 0
        for line, record in self._sound():
            length += len(line)
            thumbnails += record["thumbnail_bytes"]
            rows += 1
        self._vectors.truncate(rows * self.width * 4)
        self._thumbnails.truncate(thumbnails)
        self._journal.truncate(length)
        return rows

    def _sound(self) -> Iterator[tuple[bytes, dict[str, Any]]]:
        """Yield the journal's lines and records, up to the first whose row is not as written."""
        vectors, thumbnails, journal = (file.open("rb") for file in self._files)
        with vectors, thumbnails, journal:
            for line in journal:
                text = line[_CHECKS:]
                if not line.endswith(b"\n") or line[:8] != _crc(text):
                    return
                record = json.loads(text)
                row = vectors.read(self.width * 4) + thumbnails.read(record["thumbnail_bytes"])
                if line[9:17] != _crc(row):
                    return
                yield line, record

    def records(self) -> Iterator[Record]:
        """Yield the metadata of the rows."""
        return (record for _, record in self._sound())

    def append(self, rows: Sequence[Row]) -> None:
        """Write rows; the journal last, once vectors and thumbnails are on the disk."""
        vectors = [row.vector.astype("<f4").tobytes() for row in rows]
        _append(self._vectors, vectors)
        _append(self._thumbnails, [row.thumbnail for row in rows])
        _append(self._journal, [_line(*pair) for pair in zip(rows, vectors, strict=True)])
        self.rows += len(rows)

    def seal(self) -> Shard:
        """Return the finished shard, its metadata as Parquet. Raises Damaged where a row is."""
        self.close()
        vectors, thumbnails, journal = self._files
        table = joined([table_of(group) for group in batched(self.records(), 1024)])
        if table.num_rows != self.rows:
            raise damaged(self.folder.name, journal.name)
        metadata = write_parquet(self.folder / f"{self.number:06}.parquet", table)
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
        """Close the files. What a failed `append` left in their buffers belongs to no row."""
        for sink in (self._vectors, self._thumbnails, self._journal):
            with suppress(OSError):
                sink.close()


def _append(sink: BinaryIO, parts: Sequence[bytes]) -> None:
    """Write to a file, and wait until it is on the disk."""
    sink.write(b"".join(parts))
    sink.flush()
    os.fsync(sink.fileno())


def _line(row: Row, vector: bytes) -> bytes:
    text = json.dumps(row.record, ensure_ascii=False).encode() + b"\n"
    return b" ".join([_crc(text), _crc(vector + row.thumbnail), text])


def _crc(data: bytes) -> bytes:
    return f"{zlib.crc32(data):08x}".encode()
