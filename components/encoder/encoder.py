"""Images and captions -> unit vectors, for any checkpoint on any runtime: the `Encoder`."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from components.encoder.recipe import Recipe
from components.encoder.runtimes import Array, OutOfMemory, Runtime
from components.encoder.tokenizer import CaptionTokenizer, Reading
from components.models import ModelSpec
from components.scores import Floats, unit

Item = TypeVar("Item")
Inputs = tuple[Array, ...]  # one image as the image tower takes it
TEXT_BATCH = 64


class ImageProcessor(Protocol):
    """Prepares one image for the image tower. May be called from any thread."""

    def __call__(self, image: Image.Image) -> Inputs: ...


class PairHead(Protocol):
    """The part of a matcher without a shared space that scores pairs."""

    def logits(self, texts: Floats, images: Floats) -> Floats:
        """Return (captions, images) logits from the features of both branches."""


@dataclass(frozen=True)
class Encoder:
    """A loaded checkpoint. Every method is thread-safe.

    With a ``head`` there is no shared space: vectors are features that only the head compares.
    """

    spec: ModelSpec
    revision: str
    recipe: Recipe
    runtime: Runtime
    tokenizer: CaptionTokenizer
    prepare: ImageProcessor
    batch: int  # images per forward pass
    note: str = ""  # the reason where it does not run on the fastest runtime
    head: PairHead | None = None
    threads: int = 0  # that decode images; 0: one for each core

    @property
    def key(self) -> tuple[str, str, str]:
        """The key of caches: two encoders with the same key return the same vectors."""
        return self.spec.id, self.revision, self.runtime.precision

    def images(self, images: Iterable[Image.Image]) -> Floats:
        """Return (n, width) float32 unit vectors of upright RGB images."""
        prepared = batched(map(self.prepare, images), self.batch)
        parts = [self.vectors(group) for group in prepared]
        return np.concatenate(parts) if parts else self._no_rows()

    def vectors(self, prepared: Sequence[Inputs]) -> Floats:
        """Return (n, width) float32 unit vectors of images prepared by ``prepare``.

        A batch too large for the device's memory is halved until it fits. Raises OutOfMemory
        where a single image does not fit.
        """
        if not prepared:
            return self._no_rows()
        inputs = [np.stack(rows) for rows in zip(*prepared, strict=True)]
        return self._unit(_halving(self.runtime.images, inputs))

    def texts(self, captions: Sequence[str]) -> Floats:
        """Return (n, width) float32 unit vectors of captions, truncated at the model's limit."""
        parts = [
            _halving(self.runtime.texts, list(self.tokenizer.batch(group)))
            for group in batched(captions, TEXT_BATCH)
        ]
        return self._unit(np.concatenate(parts)) if parts else self._no_rows()

    def read(self, captions: Sequence[str]) -> list[Reading]:
        """Return for each caption its length in tokens and what the model's limit keeps."""
        return self.tokenizer.read(captions)

    def _unit(self, rows: NDArray[np.float32]) -> Floats:
        return rows if self.head else unit(rows)

    def _no_rows(self) -> Floats:
        return np.zeros((0, self.recipe.width), dtype=np.float32)


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield lists of ``size`` items, the last one shorter (`itertools.batched` of Python 3.12)."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def _halving(run: Callable[..., NDArray[np.float32]], inputs: list[Array]) -> NDArray[np.float32]:
    """Return ``run(*inputs)``, computed in halves where memory runs out."""
    try:
        return run(*inputs)
    except OutOfMemory:
        middle = len(inputs[0]) // 2
        if not middle:
            raise
    halves = ([rows[:middle] for rows in inputs], [rows[middle:] for rows in inputs])
    return np.concatenate([_halving(run, half) for half in halves])
