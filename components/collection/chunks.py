"""Chunks: some encoded images each, whole on the disk once their receipt is.

A chunk is a shard that belongs to no manifest yet. Its name follows from the model and the images,
so that the same images, encoded twice, are the same files. Publishing merges chunks into shards.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from components.collection.manifest import File, Manifest, Shard, shard_of, write_file
from components.collection.records import Record, record_of, table_of, write_table
from components.collection.sources.source import Item
from components.collection.store import on_disk
from components.encoder import Encoded, Skipped
from components.files import write_bytes
from components.scores import Floats

_IMAGES = 128  # about a second of a CPU's work: the most that a kill can lose of a worker's
_RECEIPT = ".receipt"
Result = tuple[Item, Encoded | Skipped]


@dataclass(frozen=True)
class Row:
    """An image to store: its metadata, unit vector (width,) and JPEG thumbnail."""

    record: Record
    vector: Floats
    thumbnail: bytes


@dataclass(frozen=True)
class Failed:
    """An image that could not be encoded: ``reason`` is one sentence that names it."""

    id: str
    signature: str
    reason: str


@dataclass(frozen=True)
class Chunk:
    """The shard of a chunk's rows, None where there are none, and its images that failed."""

    name: str
    shard: Shard | None
    failed: tuple[Failed, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """The names of its files, the receipt among them."""
        own = (file.name for file in self.shard.files) if self.shard else ()
        return (*own, f"{self.name}{_RECEIPT}")


def chunk_size(batch: int) -> int:
    """Return how many images are a chunk: whole batches, so that vectors do not depend on it."""
    return -(-_IMAGES // batch) * batch


def write_chunk(folder: Path, maker: Manifest, results: Sequence[Result]) -> Chunk:
    """Write encoded images into a collection's folder as a chunk, its receipt last.

    ``maker`` says which model encoded them. Raises CollectionError where the disk is full or
    cannot be written.
    """
    with on_disk(maker.name):
        return _write_chunk(folder, maker, results)


def _write_chunk(folder: Path, maker: Manifest, results: Sequence[Result]) -> Chunk:
    name = _name(maker, [item for item, _ in results])
    rows = [
        Row(record_of(item, result), result.vector, result.thumbnail)
        for item, result in results
        if isinstance(result, Encoded)
    ]
    failed = tuple(
        Failed(item.id, item.signature, result.reason)
        for item, result in results
        if isinstance(result, Skipped)
    )
    chunk = Chunk(name, write_shard(folder / name, rows) if rows else None, failed)
    content = asdict(chunk)
    receipt = {"chunk": content, "sha256": _digest(_text(content))}
    write_bytes(folder / f"{name}{_RECEIPT}", _text(receipt))
    return chunk


def _name(maker: Manifest, items: Iterable[Item]) -> str:
    made_by = [maker.model, maker.revision, maker.precision]
    text = _text([made_by, [[item.id, item.signature] for item in items]])
    return f"chunk-{_digest(text)[:24]}"


def _text(data: object) -> bytes:
    return json.dumps(data, sort_keys=True).encode()


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def write_shard(stem: Path, rows: Sequence[Row], number: int = 0) -> Shard:
    """Write rows as the three files of a shard, each in one step; number 0 is a chunk's."""
    vectors = np.stack([row.vector for row in rows]).astype("<f4").tobytes()
    thumbnails = b"".join(row.thumbnail for row in rows)
    return Shard(
        number,
        len(rows),
        write_file(stem.with_suffix(".vectors"), lambda draft: draft.write_bytes(vectors)),
        write_file(stem.with_suffix(".thumbnails"), lambda draft: draft.write_bytes(thumbnails)),
        write_parquet(stem.with_suffix(".parquet"), table_of([row.record for row in rows])),
    )


def write_parquet(path: Path, table: pa.Table) -> File:
    """Write a table as a collection's Parquet file; return its entry."""
    entry = write_file(path, lambda draft: write_table(table, draft))
    pa.default_memory_pool().release_unused()  # the pool keeps what a write took: builds are long
    return entry


def read_chunks(folder: Path) -> Iterator[Chunk]:
    """Yield the chunks in a collection's folder whose files are as written; reads them all."""
    for receipt in sorted(folder.glob(f"chunk-*{_RECEIPT}")):
        chunk = _chunk(receipt.read_bytes())
        files = chunk.shard.files if chunk and chunk.shard else ()
        if chunk and all(file.is_whole(folder) for file in files):
            yield chunk


def _chunk(receipt: bytes) -> Chunk | None:
    """Return the chunk of a receipt, None where the receipt is not as written."""
    try:
        data: dict[str, Any] = json.loads(receipt)
        content = data["chunk"]
        if data["sha256"] != _digest(_text(content)):
            return None
        shard = shard_of(content["shard"]) if content["shard"] else None
        return Chunk(content["name"], shard, tuple(Failed(**each) for each in content["failed"]))
    except (ValueError, KeyError, TypeError):
        return None
