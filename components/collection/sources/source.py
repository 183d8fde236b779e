"""Where a collection's images come from: the interface of sources, and their description."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from components.datasets.table import Value
from components.encoder import Skipped
from components.films.moment import clock
from components.images import Source

Kind = Literal["samples", "folder", "videos", "table", "captions", "unsplash"]


@dataclass(frozen=True)
class Item:
    """An image that a source lists; its data is not read yet."""

    id: str  # unique in the source, and the same each time it is read
    source: Source
    signature: str  # differs once the image or its metadata may have changed
    location: str  # path or URL of the original
    metadata: Mapping[str, Value] = field(default_factory=dict)
    file_type: str = ""  # of the original, where its data is an image made of it


class ImageSource(Protocol):
    """What a collection is built from."""

    def items(self) -> Iterator[Item | Skipped]:
        """Yield the images, in the same order at every call."""
        ...


@dataclass(frozen=True)
class FilmPosition:
    """How far a folder of films is read: the film, its seconds, and the share of all films."""

    name: str
    number: int  # counts from 1
    films: int
    seconds: float
    length: float  # 0.0: not known
    share: float

    def __str__(self) -> str:
        of = f" of {clock(self.length)}" if self.length else ""
        return f"film {self.number:,} of {self.films:,}, {self.name} {clock(self.seconds)}{of}"


@runtime_checkable
class Growing(ImageSource, Protocol):
    """A source that finds images while they are encoded, as those of films are decoded."""

    def pending(
        self, is_known: Callable[[Item], bool], on_position: Callable[[FilmPosition], None]
    ) -> Iterator[Item | Skipped]:
        """Yield what it finds, without what ``is_known``, and tell how far it is."""
        ...


@dataclass(frozen=True)
class SourceSpec:
    """The description of a source: plain data, stored in the collection's manifest."""

    kind: Kind
    location: str = ""  # a folder, a table's file, a zip; empty for the samples
    images: str = ""  # the folder that the paths of a table or dataset are relative to
    limit: int = 0  # maximum number of images; 0: all

    @property
    def has_films(self) -> bool:
        """Whether its images are frames of films."""
        return self.kind == "videos"

    @property
    def noun(self) -> str:
        """What one of its images is called."""
        return "frame" if self.has_films else "image"


def digest_of(metadata: Mapping[str, Value]) -> str:
    """Return a mark that differs where metadata do: part of an item's signature."""
    return hashlib.sha256(json.dumps(metadata, default=str).encode()).hexdigest()[:16]
