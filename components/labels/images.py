"""Images to label on disk, and the labels that a table gives them already."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.datasets import captioned
from components.datasets.table import image_column, read_rows
from components.images import Source, find_images, source_of
from components.labels.assign import Indices
from components.labels.label_list import Label, LabelError
from components.words import and_more, count, shorten

LABEL_COLUMNS = ("label", "labels", "class", "class_name", "category", "names")
_ROWS = 1_000_000  # a larger table is refused: its names would take the memory


@dataclass(frozen=True)
class Given:
    """Images and the label that each has already, "" for none; ``missing``: why others are not."""

    sources: Sequence[Source]
    labels: Sequence[str] = ()
    missing: Sequence[str] = ()


def label_column(columns: Iterable[str], chosen: str = "") -> str:
    """Return the column of the labels: ``chosen``, else one with a usual name, else "".

    Raises LabelError where there is no column of the chosen name.
    """
    known = {column.strip().lower(): column for column in columns}
    if chosen and chosen.lower() not in known:
        raise LabelError(f"There is no column {chosen[:80]!r}. Choose one of {', '.join(known)}.")
    usual = next((name for name in LABEL_COLUMNS if name in known), "")
    return known.get(chosen.lower() or usual, "")


def read_images(place: Path, chosen: str = "") -> Given:
    """Return the images of a folder, of a table, or of any other captioned dataset.

    ``chosen`` is the column of their labels, which only a table has. Raises TableError, DataError
    or LabelError.
    """
    if not place.is_dir():
        return read_table(place, chosen)
    if chosen:
        raise LabelError("A folder has no column of labels: choose a table, or leave it out.")
    sources, errors = find_images([place])
    return Given(sources, missing=[*map(str, errors)])


def read_table(file: Path, chosen: str = "") -> Given:
    """Return the images of a CSV or Parquet file, or of any other captioned dataset.

    ``chosen`` is the column of their labels. Paths are relative to the file's folder, or to
    ``images`` in it, and stay inside. Raises TableError, DataError or LabelError.
    """
    if file.suffix.lower() not in {".csv", ".tsv", ".parquet", ".pq"}:
        return _captioned(file)
    images, labels = "", ""
    given: dict[str, str] = {}
    for number, row in enumerate(read_rows(file)):
        if not number:
            images, labels = image_column(file.name, row), label_column(row, chosen)
        if number >= _ROWS:
            raise LabelError(f"{file.name} has more than {_ROWS:,} rows. Split it.")
        name = str(row.get(images) or "").strip()
        given.setdefault(name, str(row.get(labels) or "") if labels else "")
    given.pop("", None)
    return _located(file.name, given, (file.parent, file.parent / "images"))


def _captioned(file: Path) -> Given:
    data = captioned.read(file)
    sources = [
        source_of(example.image, example.name or example.image.name) for example in data.examples
    ]
    return Given(sources, missing=_not_found(file.name, data.missing))


def _located(table: str, given: Mapping[str, str], folders: Sequence[Path]) -> Given:
    paths = {name: _inside(name, folders) for name in given}
    found = {name: path for name, path in paths.items() if path}
    labels = [given[name] for name in found]
    return Given(
        [source_of(path, name) for name, path in found.items()],
        labels if any(labels) else (),
        _not_found(table, [name for name, path in paths.items() if not path]),
    )


def _not_found(table: str, names: Sequence[str]) -> list[str]:
    listed = and_more([shorten(source_of(b"", name).name) for name in names])
    return [f"{count(len(names), 'image')} of {table} not found: {listed}."] if names else []


def _inside(name: str, folders: Sequence[Path]) -> Path | None:
    """Return the file of a name in one of the folders; None where there is none."""
    inside = (folder / name for folder in folders if captioned.is_inside(folder / name, folder))
    return next(inside, None)


def rows_of(given: Sequence[str], labels: Sequence[Label]) -> Indices:
    """Return (n,): the row of each given label by any of its names, -1 where it is none of them.

    A given label may list names itself: "tench, Tinca tinca".
    """
    row_of = {label.name.casefold(): row for row, label in enumerate(labels)}
    for row, label in enumerate(labels):  # "harp" is the harp before it is the mouth organ
        for name in label.names:
            row_of.setdefault(name.casefold(), row)
    found = [_row(text, row_of) for text in given]
    return np.array(found, dtype=np.intp)


def _row(text: str, row_of: dict[str, int]) -> int:
    names = [text, *re.split(r"[|,;]", text)]
    rows = (row_of.get(" ".join(name.split()).casefold(), -1) for name in names)
    return next((row for row in rows if row >= 0), -1)
