"""The pictures that a CSV or Parquet file lists by path or URL, with its columns as metadata."""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, BinaryIO

from components.collection.folder import file_item
from components.collection.sources import Item, Value
from components.errors import CaptionLensError
from components.images import source_of
from components.pipeline import Skipped

IMAGE_COLUMNS = ("image", "path", "file", "file_name", "filename", "filepath", "image_path", "url")
CAPTION_COLUMNS = ("caption", "captions", "comment", "text", "title")
_CELL = 1_000_000  # characters: more in a cell is damage, not text


class TableError(CaptionLensError):
    """A table that cannot be read, and what is wrong with it."""


class Table:
    """A PictureSource. Rows of one picture become one item with several captions."""

    def __init__(self, location: str, pictures: str, get: Callable[[str], bytes]) -> None:
        self._file = Path(location).expanduser()
        self._root = (Path(pictures).expanduser() if pictures else self._file.parent).resolve()
        self._get = get

    def items(self) -> Iterator[Item | Skipped]:
        """Yield the pictures in the table's order. Raises TableError."""
        for place, metadata in self._rows.items():
            yield self._item(place, metadata)

    @cached_property
    def _rows(self) -> dict[str, dict[str, Value]]:
        """Return each picture's path or URL and its metadata."""
        pictures: dict[str, dict[str, Value]] = {}
        column = ""
        for row in read_rows(self._file):
            column = column or image_column(self._file.name, row)
            place = str(row.get(column) or "").strip()
            metadata = {name: value for name, value in row.items() if name != column}
            captions = [str(metadata.pop(name)) for name in CAPTION_COLUMNS if metadata.get(name)]
            known = pictures.setdefault(place, {**metadata, "captions": []})
            assert isinstance(known["captions"], list)  # noqa: S101 - made a line above
            known["captions"] += [text for text in captions if text not in known["captions"]]
        return pictures

    def _item(self, place: str, metadata: Mapping[str, Value]) -> Item | Skipped:
        kept = {name: value for name, value in metadata.items() if value not in (None, [])}
        if place.startswith(("http://", "https://")):
            name = place.partition("?")[0].rpartition("/")[2] or place
            item = Item(place, source_of(partial(self._get, place), name), "", place)
        else:
            path = self._inside(place)
            if path is None:
                reason = f"{place[:80] or 'A row without a path'} is not below {self._root.name}."
                return Skipped(source_of(b"", place), reason)
            item = file_item(place, source_of(path, place), path)
        mark = hashlib.sha256(json.dumps(kept, default=str).encode()).hexdigest()[:16]
        return replace(item, signature=f"{item.signature} {mark}", metadata=kept)

    def _inside(self, place: str) -> Path | None:
        """Return where a path of the table leads, None where that is outside its folder."""
        try:
            path = (self._root / place).resolve()
            return path if place and path.is_relative_to(self._root) else None
        except (OSError, ValueError, RuntimeError):  # a null byte, a link that leads to itself
            return None


def image_column(name: str, row: Mapping[str, Any]) -> str:
    """Return the column of ``row`` that names pictures. Raises TableError naming the table."""
    wanted = {column.strip().lower(): column for column in row}
    for candidate in IMAGE_COLUMNS:
        if candidate in wanted:
            return wanted[candidate]
    raise TableError(f"{name} has no column of pictures: call it image, path or url.")


def read_rows(file: Path, data: bytes | None = None) -> Iterator[dict[str, Value]]:
    """Yield the rows of a CSV or Parquet file, or of ``data`` under its name. Raises TableError."""
    try:
        if file.suffix.lower() in {".parquet", ".pq"}:
            yield from _read_parquet(file if data is None else io.BytesIO(data))
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
        rows = csv.DictReader(lines, delimiter=delimiter, skipinitialspace=True)
        for row in rows:
            yield {name.strip(): _number(value) for name, value in row.items() if name and value}


def _number(text: str) -> Value:
    """Return what a cell says as a number where it is plainly one: no leading zeros, no nan."""
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        if str(value) == text.strip():
            return value
    return text.strip()


def _read_parquet(file: Path | BinaryIO) -> Iterator[dict[str, Value]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as table:
        for batch in table.iter_batches(1024):
            for row in batch.to_pylist():
                yield {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Value:
    if isinstance(value, list):
        return [str(each) for each in value]
    return value if value is None or isinstance(value, str | int | float) else str(value)
