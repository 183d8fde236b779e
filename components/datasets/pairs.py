"""Reads which captions belong to which images: a table with columns image, caption and split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from components.datasets.table import CAPTION_COLUMNS, TableError, image_column, read_rows
from components.encoder import parse_captions
from components.settings import Settings

_MAX_ROWS = 100_000
_MAX_OF_ROW = 1_000  # captions


@dataclass(frozen=True)
class Pairs:
    """``pairs`` are unique (image, caption); ``dropped`` counts captions above the limit.

    ``splits`` maps images to their split, where a row gives one.
    """

    pairs: tuple[tuple[str, str], ...]
    dropped: int
    splits: Mapping[str, str]

    @property
    def captions(self) -> tuple[str, ...]:
        """Each caption once, in the table's order."""
        return tuple(dict.fromkeys(caption for _, caption in self.pairs))

    def missing(self, images: set[str]) -> list[str]:
        """Return the images in the table that are not in ``images``."""
        return [
            name for name in dict.fromkeys(name for name, _ in self.pairs) if name not in images
        ]


def read_pairs(name: str, data: bytes, limit: int | None = None) -> Pairs:
    """Return the pairs of a CSV or Parquet file's bytes; of a path, only the file name counts.

    ``limit`` is the number of captions kept; None: the setting's. Raises TableError.
    """
    pairs: dict[tuple[str, str], None] = {}
    splits: dict[str, str] = {}
    column = ""
    for number, row in enumerate(read_rows(Path(name), data)):
        if number >= _MAX_ROWS:
            raise TableError(f"{name} has more than {_MAX_ROWS:,} rows. Use a part of it.")
        column = column or image_column(name, row)
        image = image_of(row.get(column))
        texts = [row[name] for name in CAPTION_COLUMNS if row.get(name)]
        if image and not texts:
            continue
        captions = filter(None, map(caption_of, _cells(texts)))
        for caption in islice(captions, _MAX_OF_ROW):
            pairs[image, caption] = None
        if row.get("split"):
            splits[image] = str(row["split"]).strip()
    if not pairs:
        raise TableError(f"{name} has no captions. Name their column caption.")
    limit = Settings().max_captions if limit is None else limit
    kept = set(list(dict.fromkeys(caption for _, caption in pairs))[:limit])
    within = tuple(pair for pair in pairs if pair[1] in kept)
    return Pairs(within, len({caption for _, caption in pairs}) - len(kept), splits)


def image_of(cell: object) -> str:
    """Return the name of an image as `read_pairs` gives it: the file's, without its folders."""
    return str(cell or "").replace("\\", "/").rpartition("/")[2].strip()


def caption_of(cell: object) -> str:
    """Return a caption as `read_pairs` gives it, in one line; empty where there is none."""
    line = " ".join(str(cell).split()).lstrip("# ")
    return "".join(parse_captions(line, limit=1).captions)


def _cells(values: Sequence[object]) -> list[object]:
    """Return the captions of a row: a value may be a list of several."""
    return [each for value in values for each in (value if isinstance(value, list) else [value])]
