"""GloVe word vectors from their text files (Pennington et al. 2014): "word v1 v2 ... vd" a line."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.errors import CaptionLensError


class GloveError(CaptionLensError):
    """A file that holds no word vectors, and why."""


@dataclass(frozen=True)
class WordVectors:
    """``vectors`` (words, d): zeros where ``found`` (words,) says that the file has none."""

    vectors: NDArray[np.float32]
    found: NDArray[np.bool_]
    malformed: int  # lines that were left out


def read(file: Path, words: Sequence[str]) -> WordVectors:
    """Return the vectors of ``words`` from ``file``, which is read line by line, never whole.

    Raises GloveError where no line holds a word and numbers.
    """
    rows = {word: row for row, word in enumerate(words)}
    table: NDArray[np.float32] | None = None
    found = np.zeros(len(words), dtype=bool)
    malformed = 0
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if table is None:
                    table = np.zeros((len(words), _width(file, line)), dtype=np.float32)
                # From the right: a word of the largest files may hold spaces.
                word, *numbers = line.rstrip().rsplit(" ", table.shape[1])
                vector = _numbers(numbers) if len(numbers) == table.shape[1] else None
                if vector is None:
                    malformed += 1
                elif word in rows:
                    table[rows[word]], found[rows[word]] = vector, True
    except OSError as error:
        raise GloveError(f"{file.name} cannot be read: {error.strerror}.") from error
    if table is None:
        raise GloveError(f"{file.name} is empty: it holds no word vectors.")
    return WordVectors(table, found, malformed)


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
