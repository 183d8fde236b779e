"""The vectors of a collection: raw float32 rows in memory-mapped shards."""

import mmap
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from components.scores import Floats

Rows = NDArray[np.int64]

# Up to this size, mapped pages may stay in memory: a page that was read counts as this process's,
# and the kernel maps neighbours with it. Of larger collections, single rows are read from the file.
_KEEP_BYTES = 256_000_000
_CHUNK = 2048  # rows


@dataclass(frozen=True)
class Vectors:
    """(n, width) unit rows, split over several arrays in order, and their files."""

    parts: tuple[Floats, ...]
    width: int
    files: tuple[BinaryIO, ...] = ()

    def __len__(self) -> int:
        return int(self._starts[-1])

    @cached_property
    def _starts(self) -> Rows:
        return np.cumsum([0, *map(len, self.parts)], dtype=np.int64)

    @cached_property
    def _large(self) -> bool:
        return bool(self.files) and len(self) * self.width * 4 > _KEEP_BYTES

    def rows(self, ids: Rows) -> Floats:
        """Return (len(ids), width): a copy of the rows with these numbers, in their order."""
        rows = np.empty((len(ids), self.width), dtype=np.float32)
        part_of = np.searchsorted(self._starts, ids, side="right") - 1
        within = ids - self._starts[part_of]
        if self._large:
            for row, part, number in zip(rows, part_of.tolist(), within.tolist(), strict=True):
                os.preadv(self.files[part].fileno(), [row.data], number * self.width * 4)
            return rows
        for part in np.unique(part_of):
            mask = part_of == part
            rows[mask] = self.parts[part][within[mask]]
        return rows

    def cosines(self, query: Floats) -> Floats:
        """Return (n,) cosines of every row with a unit ``query`` (width,)."""
        cosines = [part @ query for part in self.parts]
        return np.concatenate(cosines) if cosines else np.zeros(0, dtype=np.float32)

    def chunks(self) -> Iterator[Floats]:
        """Yield the rows in chunks, without keeping read pages in memory."""
        for part in self.parts:
            for start in range(0, len(part), _CHUNK):
                yield part[start : start + _CHUNK]
                self.release()

    def release(self) -> None:
        """Release mapped pages; they are read from the file again when needed."""
        for part in self.parts:
            if isinstance(part, np.memmap):
                part._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]


def open_vectors(files: Sequence[tuple[Path, int]], width: int) -> Vectors:
    """Return the vectors of (file, rows) pairs. Raises OSError or ValueError where one is short."""
    parts = tuple(np.memmap(file, "<f4", "r", shape=(rows, width)) for file, rows in files)
    return Vectors(parts, width, tuple(file.open("rb") for file, _ in files))
