"""A captioned dataset as arrays: what is checked."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class CaptionSet:
    """A dataset of n images and m captions, in the order of its table.

    ``images`` are unique names (n,); ``splits`` (n,) holds "" for an image in none; ``owner`` (m,)
    is the image of each of the ``captions`` (m,).
    """

    name: str
    images: tuple[str, ...]
    splits: tuple[str, ...]
    captions: tuple[str, ...]
    owner: Indices

    def __len__(self) -> int:
        """Return the number of pairs, m."""
        return len(self.captions)

    def image_of(self, row: int) -> str:
        """Return the name of the image of a caption."""
        return self.images[int(self.owner[row])]

    def captions_of(self, image: int) -> Indices:
        """Return the rows of an image's captions."""
        rows: Indices = np.flatnonzero(self.owner == image)
        return rows
