"""What the Check page checks: pairs, the vectors of their images, and how to draw the images."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.check.caption_set import CaptionSet
from components.check.decisions import Pair
from components.images import Source
from components.scores import Floats
from components.ui.grid import Picture


@dataclass(frozen=True)
class Table:
    """The table that the pairs come from: its name and its bytes."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Subject:
    """A dataset on the page. Functions and arrays go by the number of an image in ``data``.

    ``key`` identifies the content; ``private`` content stays in its session. ``skipped``: the
    (name, reason) of images that are missing or cannot be read. ``decisions``: the file where they
    are kept, None where that is the session. ``alt`` is an image's alternative text. The pairs were
    read from ``table``, an upload, or from ``place``, a file or folder; or from neither.
    ``known``: the rows of the pairs that are known to be wrong.
    """

    key: tuple[object, ...]
    data: CaptionSet
    vectors: Floats  # (n, width)
    sizes: NDArray[np.int64]  # (n, 2): width, height
    digests: Sequence[str]
    thumbnail: Callable[[int], bytes]
    source: Callable[[int], Source]
    alt: Callable[[int], str]
    skipped: Sequence[tuple[str, str]] = ()
    private: bool = False
    decisions: Path | None = None
    table: Table | None = None
    place: Path | None = None
    known: Sequence[int] = ()

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
    def _first_row(self) -> dict[int, int]:
        return {image: row for row, image in reversed([*enumerate(self.data.owner.tolist())])}

    def first_row(self, image: int) -> int | None:
        """Return the row of an image's first caption, None where it has none."""
        return self._first_row.get(image)

    @cached_property
    def number_of(self) -> dict[str, int]:
        """The number of each image by its name."""
        return {name: number for number, name in enumerate(self.data.images)}

    def pair(self, row: int) -> Pair:
        """Return a pair as decisions name it: image and caption."""
        return self.data.image_of(row), self.data.captions[row]

    def picture(self, image: int) -> Picture:
        """Return an image as the grid takes it."""
        width, height = self.sizes[image].tolist()
        name = self.data.images[image]
        return Picture(self.thumbnail(image), width or 3, height or 2, name, self.alt(image))
