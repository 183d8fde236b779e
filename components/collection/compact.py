"""Compaction: shards without the rows that were dropped, small ones merged."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.collection.manifest import Shard, read_checked, write_file
from components.collection.open_shard import write_parquet
from components.collection.records import joined, read_table
from components.scores import Floats

_SMALL, _MAX_SMALL = 2048, 16  # rows of a small shard; more such shards than this are merged
Mask = NDArray[np.bool_]
_Part = tuple[Shard, Mask]  # a shard, and which of its rows stay


@dataclass(frozen=True)
class Compactor:
    """Writes shards of up to ``max_rows`` rows into ``folder``; old files are left as they are.

    ``take_number`` returns the number of each new shard.
    """

    folder: Path
    max_rows: int
    take_number: Callable[[], int]

    def compact(self, shards: Sequence[Shard], keep: Mask) -> tuple[Shard, ...]:
        """Return shards with the rows where ``keep`` (rows,) is True, in their order.

        Shards that lose rows are rewritten, and small ones merged where there are many; the
        others are returned as they are.
        """
        crowded = sum(shard.rows < _SMALL for shard in shards) > _MAX_SMALL
        compacted: list[Shard] = []
        pending: list[_Part] = []
        start = 0
        for shard in shards:
            mask = keep[start : start + shard.rows]
            start += shard.rows
            if mask.all() and not (crowded and shard.rows < _SMALL):
                compacted += [*self._rewritten(pending), shard]
                pending = []
            else:
                pending.append((shard, mask))
        return (*compacted, *self._rewritten(pending))

    def _rewritten(self, parts: Sequence[_Part]) -> Iterator[Shard]:
        """Yield the parts' rows in new shards, as many parts in each as ``max_rows`` allows."""
        group: list[_Part] = []
        for part in parts:
            if sum(shard.rows for shard, _ in (*group, part)) > self.max_rows:
                yield from self._merged(group)
                group = []
            group.append(part)
        yield from self._merged(group)

    def _merged(self, group: Sequence[_Part]) -> Iterator[Shard]:
        """Yield one shard with the rows of a group; none where no row stays."""
        parts = [(shard, mask) for shard, mask in group if mask.any()]
        if not parts:
            return
        number = self.take_number()
        vectors, thumbnails, tables = zip(*(self._read(*part) for part in parts), strict=True)
        matrix, stem = np.concatenate(vectors), self.folder / f"{number:06}"
        yield Shard(
            number,
            len(matrix),
            write_file(
                stem.with_suffix(".vectors"),
                lambda draft: draft.write_bytes(matrix.tobytes()),  # tofile misses a full disk
            ),
            write_file(
                stem.with_suffix(".thumbnails"),
                lambda draft: draft.write_bytes(b"".join(thumbnails)),
            ),
            write_parquet(stem.with_suffix(".parquet"), joined(tables)),
        )

    def _read(self, shard: Shard, mask: Mask) -> tuple[Floats, bytes, pa.Table]:
        """Return the vectors, thumbnails and metadata of a shard's rows where ``mask`` is True.

        Raises Damaged where a file is: damage would get a valid checksum in the new shard.
        """
        table = read_table(pa.BufferReader(read_checked(self.folder, shard.metadata)))
        vectors = np.frombuffer(read_checked(self.folder, shard.vectors), dtype="<f4")
        thumbnails = read_checked(self.folder, shard.thumbnails)
        ends = np.cumsum(table["thumbnail_bytes"].to_numpy())
        starts = np.concatenate([[0], ends[:-1]])
        kept = [thumbnails[starts[row] : ends[row]] for row in np.flatnonzero(mask)]
        return (
            vectors.reshape(shard.rows, -1)[mask],
            b"".join(kept),
            table.filter(pa.array(mask)),
        )
