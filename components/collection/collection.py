"""What every collection answers, whether its vectors are in a folder here or on a server."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from components.collection.filters import Facet, Filters
from components.collection.manifest import Manifest
from components.collection.records import Record
from components.scores import Floats

# Further results are rarely paged to, and an approximate index is less reliable there.
MAX_RESULTS = 1000
AHEAD = 128  # records asked for at once, as a page does: up to so many, thumbnails are read ahead
SAMPLE = 20_000  # images that the histogram of a large collection is drawn from


@dataclass(frozen=True)
class Found:
    """The ids of images, best first, and their cosines (n,)."""

    ids: tuple[str, ...]
    cosines: Floats

    def __len__(self) -> int:
        return len(self.ids)


class Collection(Protocol):
    """One published state, which is only read. Its images are named by their ids."""

    @property
    def manifest(self) -> Manifest:
        """The published state's manifest."""
        ...

    @property
    def key(self) -> tuple[str, int, str]:
        """A cache key: equal for two openings of the same state."""
        ...

    @property
    def columns(self) -> list[str]:
        """The columns of the metadata that are shown."""
        ...

    def __len__(self) -> int: ...

    def find(self, vector: Floats, top: int, filters: Filters = ..., least: float = ...) -> Found:
        """Return the images nearest to a unit ``vector`` (width,), with a cosine of ``least``.

        Fewer than ``top`` only where fewer pass ``filters``. Raises FilterError for a column that
        is not there, as do the other methods that take filters.
        """
        ...

    def records(self, ids: Sequence[str]) -> list[Record]:
        """Return the metadata of images, in their order, without internal columns.

        Raises CollectionError for an id that is not there, as do ``vectors`` and ``thumbnail``.
        """
        ...

    def vectors(self, ids: Sequence[str]) -> Floats:
        """Return (len(ids), width): the images' unit vectors, in their order."""
        ...

    def thumbnail(self, id_: str) -> bytes:
        """Return the JPEG bytes of an image's thumbnail."""
        ...

    def facets(self) -> list[Facet]:
        """Return the columns that can be filtered by a choice."""
        ...

    def count(self, filters: Filters = ...) -> int:
        """Return how many images pass."""
        ...

    def browse(self, seed: int, filters: Filters = ...) -> list[str]:
        """Return up to MAX_RESULTS ids of images that pass, in a random order that ``seed`` fixes.

        The order need not be the same on another kind of collection.
        """
        ...

    def score_sample(self, vector: Floats, filters: Filters = ...) -> Floats:
        """Return the cosines of all images that pass, or of SAMPLE random ones of them."""
        ...
