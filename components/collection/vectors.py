"""The vectors of a collection: raw float32 rows in mapped shards, the truth of it all."""

import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.scores import Matrix

Rows = NDArray[np.int64]

# Above this many bytes a mapping gives its pages back after use: they would count as ours.
_KEEP_BYTES = 256_000_000
_AROUND = 1 << 16  # bytes that the kernel maps round one that is read


@dataclass(frozen=True)
class Vectors:
    """(n, width) unit rows in several arrays, one after the other."""

    parts: tuple[Matrix, ...]
    width: int
    _touched: list[int] = field(default_factory=lambda: [0], repr=False)

    def __len__(self) -> int:
        return int(self._starts[-1])

    @cached_property
    def _starts(self) -> Rows:
        return np.cumsum([0, *map(len, self.parts)], dtype=np.int64)

    def rows(self, ids: Rows) -> Matrix:
        """Return (len(ids), width): a copy of the rows of these numbers, in their order."""
        found = np.empty((len(ids), self.width), dtype=np.float32)
        part_of = np.searchsorted(self._starts, ids, side="right") - 1
        for part in np.unique(part_of):
            here = part_of == part
            found[here] = self.parts[part][ids[here] - self._starts[part]]
        self._touch(len(ids))
        return found

    def cosines(self, query: Matrix) -> Matrix:
        """Return (n,) cosines of every row with a unit ``query`` (width,)."""
        found = [part @ query for part in self.parts]
        self._release()
        return np.concatenate(found) if found else np.zeros(0, dtype=np.float32)

    def chunks(self) -> Iterator[Matrix]:
        """Yield the rows a part at a time, without keeping what has been read in memory."""
        for part in self.parts:
            yield part
            self._release()

    def _touch(self, rows: int) -> None:
        """Count rows that were read here and there, each of which maps some 64 KB around it."""
        self._touched[0] += rows
        if self._touched[0] * _AROUND > _KEEP_BYTES:
            self._release()

    def _release(self) -> None:
        self._touched[0] = 0
        if len(self) * self.width * 4 <= _KEEP_BYTES:
            return
        for part in self.parts:
            base = getattr(part, "_mmap", None)
            if base is not None:
                base.madvise(mmap.MADV_DONTNEED)  # the file still has them


def open_vectors(files: Sequence[tuple[Path, int]], width: int) -> Vectors:
    """Return the vectors of (file, rows) pairs. Raises OSError or ValueError where one is short."""
    return Vectors(tuple(_mapped(file, rows, width) for file, rows in files), width)


def _mapped(file: Path, rows: int, width: int) -> Matrix:
    if not rows:
        return np.zeros((0, width), dtype=np.float32)
    return np.memmap(file, dtype="<f4", mode="r", shape=(rows, width))
