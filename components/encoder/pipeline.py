"""Files -> vectors: threads decode images ahead of the model, up to a limit."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from PIL import Image

from components.encoder.encoder import Encoder, Inputs, batched
from components.images import (
    DECODE_SIDE,
    ImageError,
    Photo,
    Source,
    colour_names,
    decode,
    thumbnail,
)
from components.scores import Calibration, Floats, Scores, distinct, score, score_pairs

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Encoded:
    """An image with its unit vector (width,) and, on request, a JPEG thumbnail and colours."""

    photo: Photo
    vector: Floats
    thumbnail: bytes = b""
    colours: tuple[str, ...] = ()


@dataclass(frozen=True)
class Skipped:
    """A file that could not be decoded: ``reason`` is one sentence that names it."""

    source: Source
    reason: str


@dataclass(frozen=True)
class _Opened:
    photo: Photo
    inputs: Inputs
    thumbnail: bytes
    colours: tuple[str, ...]


def encode(
    encoder: Encoder, sources: Iterable[Source], thumbnails: bool = False
) -> Iterator[Encoded | Skipped]:
    """Yield for each source, in order, its vector or the reason why it was skipped.

    At most two batches of decoded images are held in memory. To stop, stop iterating.
    """
    opened = lookahead(
        lambda source: _open(encoder, source, thumbnails),
        sources,
        2 * encoder.batch,
        encoder.threads,
    )
    for batch in batched(opened, encoder.batch):
        vectors = iter(
            encoder.vectors([item.inputs for item in batch if isinstance(item, _Opened)])
        )
        for item in batch:
            if isinstance(item, _Opened):
                yield Encoded(item.photo, next(vectors), item.thumbnail, item.colours)
            else:
                yield item


def score_encoded(
    encoder: Encoder,
    captions: Sequence[str],
    texts: Floats,
    images: Sequence[Encoded],
    bank: Floats,
) -> Scores:
    """Return the scores of captions against encoded images.

    ``texts`` (captions, width) are the captions' vectors, ``bank`` those of `bank_vectors`.
    """
    names = distinct([item.photo.name for item in images])
    vectors = np.stack([item.vector for item in images])
    if encoder.head:
        logits, chance = encoder.head.logits(texts, vectors), encoder.head.logits(bank, vectors)
        return score_pairs(captions, names, logits, chance)
    return score(captions, names, texts, vectors, Calibration(encoder.recipe.score, bank))


def decode_for(encoder: Encoder, source: Source) -> tuple[Photo, Image.Image]:
    """Return a photo and its image, large enough for the model's input. Raises ImageError."""
    pixels = encoder.recipe.pixels
    return decode(source, max(DECODE_SIDE, pixels.side if pixels else 0))


def _open(encoder: Encoder, source: Source, thumbnails: bool) -> _Opened | Skipped:
    try:
        photo, image = decode_for(encoder, source)
        small = thumbnail(image) if thumbnails else b""
        names = tuple(colour_names(image)) if thumbnails else ()
        return _Opened(photo, encoder.prepare(image), small, names)
    except ImageError as error:
        return Skipped(source, str(error))


def lookahead(
    function: Callable[[Item], Result], items: Iterable[Item], ahead: int, threads: int = 0
) -> Iterator[Result]:
    """Yield ``function(item)`` in order, computed by threads up to ``ahead`` items in advance.

    0 ``threads`` are one for each core.
    """
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(threads or os.cpu_count())
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
