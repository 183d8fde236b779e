"""The images of a captioned dataset, in every format of `components.datasets.captioned`."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from components.collection.sources.folder import file_item
from components.collection.sources.source import Item, digest_of
from components.datasets.captioned import Example, PairData, read
from components.datasets.table import Value
from components.encoder import Skipped
from components.images import source_of


class Captioned:
    """An ImageSource: an image's id is its name in the dataset's list."""

    def __init__(self, location: str, images: str) -> None:
        self._place = Path(location).expanduser()
        self._images = Path(images).expanduser() if images else None

    def items(self) -> Iterator[Item | Skipped]:
        """Yield the images in the list's order, then the missing ones. Raises DataError."""
        yield from map(_item, self._data.examples)
        for name in self._data.missing:
            yield Skipped(source_of(b"", name), f"{name[:80]} does not exist.")

    @cached_property
    def _data(self) -> PairData:
        return read(self._place, self._images)


def _item(example: Example) -> Item:
    item = file_item(example.name, source_of(example.image, example.name), example.image)
    known: dict[str, Value] = {"captions": [*example.captions]}
    if example.split:
        known["split"] = example.split
    mark = digest_of(known)  # changed captions are changed metadata
    return replace(item, signature=f"{item.signature} {mark}", metadata=known)
