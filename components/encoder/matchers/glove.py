"""GloVe word vectors from their text files (Pennington et al. 2014): "word v1 v2 ... vd" a line."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.errors import CaptionLensError


class GloveError(CaptionLensError):
    """A file without readable word vectors, and the reason."""


@dataclass(frozen=True)
class WordVectors:
    """``vectors`` (words, d), zeros where ``known`` (words,) is False: not in the file."""

    vectors: NDArray[np.float32]
    known: NDArray[np.bool_]


def read(file: Path, words: Sequence[str]) -> WordVectors:
    """Return the vectors of ``words`` from ``file``, which is read line by line.

    Malformed lines are ignored. Raises GloveError where the first line is no word and vector.
    """
    rows = {word: row for row, word in enumerate(words)}
    table: NDArray[np.float32] | None = None
    known = np.zeros(len(words), dtype=bool)
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if table is None:
                    table = np.zeros((len(words), _width(file, line)), dtype=np.float32)
                # From the right: in the largest files a word may contain spaces.
                word, *numbers = line.rstrip().rsplit(" ", table.shape[1])
                vector = _numbers(numbers) if len(numbers) == table.shape[1] else None
                if vector is not None and word in rows:
                    table[rows[word]], known[rows[word]] = vector, True
    except OSError as error:
        raise GloveError(f"{file.name} cannot be read: {error.strerror}.") from error
    if table is None:
        raise GloveError(f"{file.name} is empty: it contains no word vectors.")
    return WordVectors(table, known)


def _width(file: Path, line: str) -> int:
    parts = line.split()
    if len(parts) < 3 or _numbers(parts[1:]) is None:
        raise GloveError(f"{file.name} does not begin with a word and its vector.")
    return len(parts) - 1


def _numbers(texts: Sequence[str]) -> NDArray[np.float32] | None:
    try:
        numbers = np.array(texts, dtype=np.float32)
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None
