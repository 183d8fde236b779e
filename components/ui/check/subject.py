"""What the Check page checks: a captioned dataset, where it is from, and how to draw its images."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from components.check.caption_set import CaptionSet
from components.check.decisions import Pair
from components.check.indexed import Indexed
from components.images import Source
from components.ui.grid import Picture


@dataclass(frozen=True)
class Table:
    """An uploaded table: its file's name and its bytes."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Subject:
    """A dataset on the page. ``source`` and ``alt`` go by the number of an image.

    ``key`` identifies the content. ``private`` content stays in its session. ``folder`` is that of
    a collection, where vectors of captions and decisions are kept; ``place`` the list or dataset
    that it was made of; ``table`` the upload. ``known``: the rows of pairs that are known to be
    wrong. ``selected_of`` is the name of the dataset that this is a selection of, "" for all of it.
    """

    key: tuple[object, ...]
    indexed: Indexed
    source: Callable[[int], Source]
    alt: Callable[[int], str]
    private: bool = False
    folder: Path | None = None
    place: Path | None = None
    table: Table | None = None
    known: Sequence[int] = ()
    selected_of: str = ""

    @property
    def data(self) -> CaptionSet:
        """The pairs."""
        return self.indexed.data

    @property
    def dataset(self) -> str:
        """The name of the dataset that decisions are kept for."""
        return self.selected_of or self.data.name

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Each pair as links name it: the image, and which of its captions, "cat.jpg#0"."""
        seen: Counter[int] = Counter()
        ids = []
        for image in self.data.owner.tolist():
            ids.append(f"{self.data.images[image]}#{seen[image]}")
            seen[image] += 1
        return tuple(ids)

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {id_: row for row, id_ in enumerate(self.ids)}

    def row_of(self, id_: str) -> int | None:
        """Return the row of a pair, None where there is none of this id."""
        return self._row_of.get(id_)

    @cached_property
    def _first_rows(self) -> dict[str, int]:
        rows = reversed(range(len(self.data)))
        return {self.data.image_of(row): row for row in rows}

    def first_row(self, image: str) -> int | None:
        """Return the row of the first caption of an image's name, None where it has none."""
        return self._first_rows.get(image)

    def pair(self, row: int) -> Pair:
        """Return a pair as decisions name it: image and caption."""
        return self.data.image_of(row), self.data.captions[row]

    def picture(self, row: int) -> Picture:
        """Return the image of a pair as the grid takes it."""
        image = int(self.data.owner[row])
        width, height = self.indexed.sizes[image].tolist()
        name = self.data.images[image]
        return Picture(
            self.indexed.thumbnail(image), width or 3, height or 2, name, self.alt(image)
        )
