"""Reads rows of CSV and Parquet files, and finds their columns of images and captions."""

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from components.datasets.parquet import read_parquet
from components.errors import CaptionLensError

IMAGE_COLUMNS = ("image", "path", "file", "file_name", "filename", "filepath", "image_path", "url")
CAPTION_COLUMNS = ("caption", "captions", "comment", "text", "title")
_CELL = 1_000_000  # characters; a larger cell is damage, not text
Value = str | int | float | list[str] | None


class TableError(CaptionLensError):
    """A table that cannot be read, and why."""


def image_column(name: str, row: Mapping[str, Any]) -> str:
    """Return the column of ``row`` that names images. Raises TableError, which names the table."""
    columns = {column.strip().lower(): column for column in row}
    for candidate in IMAGE_COLUMNS:
        if candidate in columns:
            return columns[candidate]
    raise TableError(f"{name} has no column of images. Name it image, path or url.")


def read_rows(file: Path, data: bytes | None = None) -> Iterator[dict[str, Value]]:
    """Yield the rows of a CSV or Parquet file, or of ``data`` under its name. Raises TableError."""
    try:
        if file.suffix.lower() in {".parquet", ".pq"}:
            for row in read_parquet(file if data is None else io.BytesIO(data)):
                yield {name: _plain(value) for name, value in row.items()}
        else:
            yield from _read_csv(file.open("rb") if data is None else io.BytesIO(data))
    except FileNotFoundError as error:
        raise TableError(f"{file.name} does not exist.") from error
    except (OSError, ValueError, csv.Error) as error:
        reason = (str(error).splitlines() or [""])[0][:200]
        raise TableError(f"{file.name} cannot be read as a table: {reason}.") from error


def _read_csv(file: BinaryIO) -> Iterator[dict[str, Value]]:
    csv.field_size_limit(_CELL)
    with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as lines:
        head = lines.readline()
        lines.seek(0)
        delimiter = max(",;\t|", key=head.count)
        rows = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
        # Not DictReader: it fills up short rows, so many columns and many rows would take for ever.
        names = [name.strip() for name in next(rows, [])]
        for cells in filter(None, rows):
            row = zip(names, cells, strict=False)
            yield {name: _number(value) for name, value in row if name and value}


def _number(text: str) -> Value:
    """Return a cell as a number where that loses nothing (leading zeros, "nan"), else as text."""
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        if str(value) == text.strip():
            return value
    return text.strip()


def _plain(value: Any) -> Value:
    if isinstance(value, list):
        return [str(each) for each in value]
    return value if value is None or isinstance(value, str | int | float) else str(value)
