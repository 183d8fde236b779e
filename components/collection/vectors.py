"""The vectors of a collection: raw float32 rows in mapped shards, the truth of it all."""

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

# Up to so many bytes the mapped pages may stay in memory: a page that was read counts as ours, and
# the kernel maps others round it. Of more, single rows are read from the file instead.
_KEEP_BYTES = 256_000_000
_CHUNK = 2048  # rows


@dataclass(frozen=True)
class Vectors:
    """(n, width) unit rows in several arrays, one after the other, and the files behind them."""

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
        """Return (len(ids), width): a copy of the rows of these numbers, in their order."""
        found = np.empty((len(ids), self.width), dtype=np.float32)
        part_of = np.searchsorted(self._starts, ids, side="right") - 1
        within = ids - self._starts[part_of]
        if self._large:
            for row, part, number in zip(found, part_of.tolist(), within.tolist(), strict=True):
                os.preadv(self.files[part].fileno(), [row.data], number * self.width * 4)
            return found
        for part in np.unique(part_of):
            here = part_of == part
            found[here] = self.parts[part][within[here]]
        return found

    def cosines(self, query: Floats) -> Floats:
        """Return (n,) cosines of every row with a unit ``query`` (width,)."""
        found = [part @ query for part in self.parts]
        return np.concatenate(found) if found else np.zeros(0, dtype=np.float32)

    def chunks(self) -> Iterator[Floats]:
        """Yield the rows some at a time, without keeping what has been read in memory."""
        for part in self.parts:
            for start in range(0, len(part), _CHUNK):
                yield part[start : start + _CHUNK]
                self.release()

    def release(self) -> None:
        """Give mapped pages back: whoever needs them reads them from the file again."""
        for part in self.parts:
            if isinstance(part, np.memmap):
                part._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]


def open_vectors(files: Sequence[tuple[Path, int]], width: int) -> Vectors:
    """Return the vectors of (file, rows) pairs. Raises OSError or ValueError where one is short."""
    parts = tuple(np.memmap(file, "<f4", "r", shape=(rows, width)) for file, rows in files)
    return Vectors(parts, width, tuple(file.open("rb") for file, _ in files))
