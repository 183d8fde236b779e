"""Compaction: shards without the rows that were dropped, small ones merged."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.collection.chunks import write_parquet
from components.collection.manifest import File, Shard, read_checked, write_file
from components.collection.records import joined, read_table

_SMALL, _MAX_SMALL = 2048, 16  # rows of a small shard; more such shards than this are merged
Mask = NDArray[np.bool_]
Part = tuple[Shard, Mask]  # a shard or a chunk's, and which of its rows stay


@dataclass(frozen=True)
class Compactor:
    """Writes shards of up to ``max_rows`` rows into ``folder``; old files are left as they are.

    ``take_number`` returns the number of each new shard.
    """

    folder: Path
    max_rows: int
    take_number: Callable[[], int]

    def compact(self, parts: Sequence[Part]) -> tuple[Shard, ...]:
        """Return shards with the rows that stay, in their order.

        Chunks are merged, shards that lose rows are rewritten, and small ones merged where there
        are many; the others are returned as they are. Raises Damaged where a file that is read is:
        damage would get a valid checksum in the new shard.
        """
        crowded = sum(self._is_small(shard) for shard, _ in parts) > _MAX_SMALL
        compacted: list[Shard] = []
        pending: list[Part] = []
        for shard, mask in parts:
            if shard.number and mask.all() and not (crowded and self._is_small(shard)):
                compacted += [*self._rewritten(pending), shard]
                pending = []
            else:
                pending.append((shard, mask))
        return (*compacted, *self._rewritten(pending))

    def _is_small(self, shard: Shard) -> bool:
        return shard.number > 0 and shard.rows < _SMALL

    def _rewritten(self, parts: Sequence[Part]) -> Iterator[Shard]:
        """Yield the parts' rows in new shards, as many parts in each as ``max_rows`` allows."""
        group: list[Part] = []
        rows = 0
        for shard, mask in parts:
            stay = int(mask.sum())
            if group and rows + stay > self.max_rows:
                yield self._merged(group)
                group, rows = [], 0
            if stay:
                group.append((shard, mask))
                rows += stay
        if group:
            yield self._merged(group)

    def _merged(self, parts: Sequence[Part]) -> Shard:
        """Return one shard with the rows of several parts, copied part by part."""
        number = self.take_number()
        stem = self.folder / f"{number:06}"
        tables = [self._table(shard) for shard, _ in parts]
        masks = [pa.array(mask) for _, mask in parts]
        kept = [table.filter(mask) for table, mask in zip(tables, masks, strict=True)]
        vectors = (self._vectors(*part) for part in parts)
        thumbnails = (
            jpeg
            for table, part in zip(tables, parts, strict=True)
            for jpeg in self._thumbnails(table, *part)
        )
        return Shard(
            number,
            sum(table.num_rows for table in kept),
            _write(stem.with_suffix(".vectors"), vectors),
            _write(stem.with_suffix(".thumbnails"), thumbnails),
            write_parquet(stem.with_suffix(".parquet"), joined(kept)),
        )

    def _table(self, shard: Shard) -> pa.Table:
        return read_table(pa.BufferReader(read_checked(self.folder, shard.metadata)))

    def _vectors(self, shard: Shard, mask: Mask) -> bytes:
        rows = np.frombuffer(read_checked(self.folder, shard.vectors), dtype="<f4")
        return rows.reshape(shard.rows, -1)[mask].tobytes()

    def _thumbnails(self, table: pa.Table, shard: Shard, mask: Mask) -> Iterator[memoryview]:
        thumbnails = memoryview(read_checked(self.folder, shard.thumbnails))
        ends = np.cumsum(table["thumbnail_bytes"].to_numpy())
        starts = np.concatenate([[0], ends[:-1]])
        return (thumbnails[starts[row] : ends[row]] for row in np.flatnonzero(mask))


def _write(path: Path, parts: Iterable[bytes | memoryview]) -> File:
    """Write bytes as a collection's file, in one step."""

    def write(draft: Path) -> None:
        with draft.open("wb") as out:
            out.writelines(parts)

    return write_file(path, write)
