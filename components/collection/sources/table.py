"""The images that a CSV or Parquet file lists by path or URL, with its columns as metadata."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

from components.collection.sources.folder import file_item
from components.collection.sources.source import Item, digest_of
from components.datasets.table import CAPTION_COLUMNS, Value, image_column, read_rows
from components.encoder import Skipped
from components.images import source_of


class Table:
    """An ImageSource: rows of one image become one item with several captions."""

    def __init__(self, location: str, images: str, get: Callable[[str], bytes]) -> None:
        self._file = Path(location).expanduser()
        self._root = (Path(images).expanduser() if images else self._file.parent).resolve()
        self._get = get

    def items(self) -> Iterator[Item | Skipped]:
        """Yield the images in the table's order. Raises TableError."""
        for place, metadata in self._rows.items():
            yield self._item(place, metadata)

    @cached_property
    def _rows(self) -> dict[str, dict[str, Value]]:
        """Return each image's path or URL and its metadata."""
        images: dict[str, dict[str, Value]] = {}
        column = ""
        for row in read_rows(self._file):
            column = column or image_column(self._file.name, row)
            place = self._named(str(row.get(column) or "").strip())
            metadata = {name: value for name, value in row.items() if name != column}
            captions = [str(metadata.pop(name)) for name in CAPTION_COLUMNS if metadata.get(name)]
            known = images.setdefault(place, {**metadata, "captions": []})
            assert isinstance(known["captions"], list)  # noqa: S101 - made a line above
            known["captions"] += [text for text in captions if text not in known["captions"]]
        return images

    def _item(self, place: str, metadata: Mapping[str, Value]) -> Item | Skipped:
        kept = {name: value for name, value in metadata.items() if value not in (None, [])}
        if place.startswith(("http://", "https://")):
            name = place.partition("?")[0].rpartition("/")[2] or place
            item = Item(place, source_of(partial(self._get, place), name), "", place)
        else:
            path = self._inside(place)
            if path is None:
                reason = f"{place[:80] or 'A row without a path'} is not in {self._root.name}."
                return Skipped(source_of(b"", place), reason)
            item = file_item(place, source_of(path, place), path)
        return replace(item, signature=f"{item.signature} {digest_of(kept)}", metadata=kept)

    def _named(self, place: str) -> str:
        """Return a place as images are named: ids are exported, and hold no absolute path."""
        path = self._inside(place) if Path(place).is_absolute() else None
        return str(path.relative_to(self._root)) if path else place

    def _inside(self, place: str) -> Path | None:
        """Return the file of a path in the table, None where it is outside the folder."""
        try:
            path = (self._root / place).resolve()
            return path if place and path.is_relative_to(self._root) else None
        except (OSError, ValueError, RuntimeError):  # a null byte, a circular link
            return None
