"""Where a collection's images come from, and the spec that finds the place again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from components.datasets.table import Value
from components.encoder import Skipped
from components.images import Source

Kind = Literal["samples", "folder", "table", "unsplash"]


@dataclass(frozen=True)
class Item:
    """An image that a source names and nobody has read yet."""

    id: str  # stable between two readings of the source, and no other item's
    source: Source
    signature: str  # another one when the image or its metadata may have changed
    location: str  # path or URL of the original
    metadata: Mapping[str, Value] = field(default_factory=dict)


class ImageSource(Protocol):
    """What a collection is built from."""

    def items(self) -> Iterator[Item | Skipped]:
        """Yield the images, in the same order each time; may be called again."""
        ...


@dataclass(frozen=True)
class SourceSpec:
    """How to find a source again: plain data, kept in the collection's manifest."""

    kind: Kind
    location: str = ""  # a folder, a table's file, a zip; nothing for the samples
    images: str = ""  # of a table: the folder that its paths start from and stay in
    limit: int = 0  # images at most; 0: all
